//! Copies of blocks: one file that is a segment of a block log, to be given to somebody else.

use crate::FileError;
use crate::files;
use catenary_crypto::Hash;
use catenary_journal::block_log::{
    Entry, Identity, PartTooLarge, SegmentError, SegmentReader, SegmentWriter,
};
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A copy cannot be written or read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CopyError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is no whole and sound copy.
    #[error("{}: {error}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: SegmentError,
    },
    /// It ends in the middle of an entry.
    #[error("{} ends within the entry of height {height}", path.display())]
    Cut {
        /// The file.
        path: PathBuf,
        /// The entry's height; of the first one if there is none.
        height: u64,
    },
    /// A block can stand in no segment.
    #[error(transparent)]
    TooLarge(#[from] PartTooLarge),
}

/// A copy that is being written. Under its name there is a whole one or none.
#[derive(Debug)]
pub struct CopyWriter {
    path: PathBuf,
    draft: PathBuf,
    file: BufWriter<File>,
    segment: SegmentWriter,
    buffer: Vec<u8>,
}

/// A copy that is being read, entry by entry; see [`SegmentReader`].
#[derive(Debug)]
pub struct CopyReader {
    path: PathBuf,
    file: BufReader<File>,
    segment: SegmentReader,
    /// After an error nothing more is read.
    ended: bool,
}

impl CopyWriter {
    /// Begins a copy of the blocks from `first` on, which follow the entry with chain hash `previous`.
    pub fn create(path: &Path, identity: Identity, first: u64, previous: Hash) -> Result<Self, CopyError> {
        let draft = path.with_extension("new");
        let file = File::create(&draft).map_err(FileError::of("create", &draft))?;
        let (segment, buffer) = SegmentWriter::create(identity, first, previous);
        let mut writer = Self { path: path.to_owned(), draft, file: BufWriter::new(file), segment, buffer };
        writer.write()?;
        Ok(writer)
    }

    /// Appends the next block.
    pub fn append(&mut self, entry: &Entry) -> Result<(), CopyError> {
        // It gets its name once all of it is flushed, so whatever comes before is.
        let flushed = self.segment.next_height() - 1;
        self.segment.append(&entry.block, &entry.certificate, flushed, &mut self.buffer)?;
        self.write()
    }

    /// Flushes the copy and gives it its name.
    pub fn finish(self) -> Result<(), CopyError> {
        let Self { path, draft, file, .. } = self;
        let flushed = file.into_inner().map_err(|error| error.into_error()).and_then(|file| file.sync_all());
        flushed.map_err(FileError::of("flush", &draft))?;
        fs::rename(&draft, &path).map_err(FileError::of("rename", &draft))?;
        Ok(path.parent().map_or(Ok(()), files::sync_dir)?)
    }

    fn write(&mut self) -> Result<(), CopyError> {
        self.file.write_all(&self.buffer).map_err(FileError::of("write", &self.draft))?;
        self.buffer.clear();
        Ok(())
    }
}

impl CopyReader {
    /// Opens a copy and reads whose blocks it holds.
    pub fn open(path: &Path) -> Result<Self, CopyError> {
        let file = File::open(path).map_err(FileError::of("open", path))?;
        let mut file = BufReader::new(file);
        let header = read_up_to(&mut file, SegmentReader::HEADER_LEN, path)?;
        let segment = SegmentReader::begin(&header).map_err(|error| content(path, error))?;
        Ok(Self { path: path.to_owned(), file, segment, ended: false })
    }

    /// The chain whose blocks these are, as the copy says.
    pub fn identity(&self) -> &Identity {
        self.segment.identity()
    }

    /// Height of the next entry.
    pub fn next_height(&self) -> u64 {
        self.segment.next_height()
    }

    fn read(&mut self) -> Result<Option<Entry>, CopyError> {
        let mut bytes = read_up_to(&mut self.file, SegmentReader::HEAD_LEN, &self.path)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let cut = CopyError::Cut { path: self.path.clone(), height: self.segment.next_height() };
        if bytes.len() < SegmentReader::HEAD_LEN {
            return Err(cut);
        }
        let length = self.segment.entry_len(&bytes).map_err(|error| content(&self.path, error))?;
        bytes.extend(read_up_to(&mut self.file, length - bytes.len(), &self.path)?);
        if bytes.len() < length {
            return Err(cut);
        }
        self.segment.entry(&bytes).map(Some).map_err(|error| content(&self.path, error))
    }
}

impl Iterator for CopyReader {
    type Item = Result<Entry, CopyError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.read().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

fn content(path: &Path, error: SegmentError) -> CopyError {
    CopyError::Content { path: path.to_owned(), error }
}

/// So many bytes, or as many as are left.
fn read_up_to(file: &mut impl Read, length: usize, path: &Path) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    file.take(length as u64).read_to_end(&mut bytes).map_err(FileError::of("read", path))?;
    Ok(bytes)
}
