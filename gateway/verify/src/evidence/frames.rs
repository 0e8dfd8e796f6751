//! Records in a file: a first line that says what it is, then each record behind its length.

use super::{EvidenceError, Record};
use catenary_types::Message;
use std::{
    fs::File,
    io::{self, BufReader, BufWriter, ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

/// The first bytes of a file.
const MAGIC: &[u8] = b"catenary evidence 1\n";
/// Longest record. A block with its receipts is far shorter.
const RECORD_BYTES_MAX: u32 = 64 << 20;

/// Reads records.
pub(crate) struct Frames {
    path: PathBuf,
    input: BufReader<File>,
    record: u64,
}

impl Frames {
    /// Opens a file.
    pub(crate) fn open(dir: &Path, name: &str) -> Result<Self, EvidenceError> {
        let path = dir.join(name);
        let file = File::open(&path).map_err(|error| EvidenceError::Io { path: path.clone(), error })?;
        let mut frames = Self { path, input: BufReader::new(file), record: 0 };
        let mut magic = [0; MAGIC.len()];
        let read = frames.input.read_exact(&mut magic);
        match read {
            Ok(()) if magic == MAGIC => Ok(frames),
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => Err(frames.io(error)),
            _ => Err(frames.damaged("expected evidence of format 1")),
        }
    }

    /// The next record; none at the end of the file.
    pub(crate) fn next(&mut self) -> Result<Option<Record>, EvidenceError> {
        self.record += 1;
        let mut length = [0; 4];
        let read = (&mut self.input).take(4).read(&mut length).map_err(|error| self.io(error))?;
        if read == 0 {
            return Ok(None);
        }
        let rest = self.input.read_exact(&mut length[read..]);
        rest.map_err(|_| self.damaged("the file ends inside a record"))?;
        let length = u32::from_be_bytes(length);
        if length > RECORD_BYTES_MAX {
            return Err(self.damaged(&format!("expected at most {RECORD_BYTES_MAX} bytes, got {length}")));
        }
        let mut bytes = Vec::new();
        let read = (&mut self.input).take(length.into()).read_to_end(&mut bytes);
        if read.map_err(|error| self.io(error))? as u64 != u64::from(length) {
            return Err(self.damaged("the file ends inside a record"));
        }
        Record::decode(&bytes).map(Some).map_err(|error| self.damaged(&error.to_string()))
    }

    /// The last record that was read is not what it should be.
    pub(crate) fn damaged(&self, reason: &str) -> EvidenceError {
        EvidenceError::Damaged { file: self.file(), record: self.record, reason: reason.into() }
    }

    /// The file's name, for people.
    pub(crate) fn file(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    fn io(&self, error: io::Error) -> EvidenceError {
        EvidenceError::Io { path: self.path.clone(), error }
    }
}

/// Writes records.
pub(super) struct FrameWriter {
    path: PathBuf,
    output: BufWriter<File>,
}

impl FrameWriter {
    /// Starts a file.
    pub(super) fn create(dir: &Path, name: &str) -> Result<Self, EvidenceError> {
        let path = dir.join(name);
        let created = std::fs::create_dir_all(dir).and_then(|()| File::create(&path));
        let output = created.map_err(|error| EvidenceError::Io { path: path.clone(), error })?;
        let mut writer = Self { path, output: BufWriter::new(output) };
        writer.bytes(MAGIC)?;
        Ok(writer)
    }

    /// Adds a record.
    pub(super) fn write(&mut self, record: &Record) -> Result<(), EvidenceError> {
        let bytes = record.encode();
        let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= RECORD_BYTES_MAX);
        let too_large =
            || io::Error::new(ErrorKind::FileTooLarge, format!("a record of {} bytes", bytes.len()));
        let length = length.ok_or_else(too_large).map_err(|error| self.io(error))?;
        self.bytes(&length.to_be_bytes())?;
        self.bytes(&bytes)
    }

    /// Puts everything into the file.
    pub(super) fn finish(mut self) -> Result<(), EvidenceError> {
        let flushed = self.output.flush();
        flushed.map_err(|error| self.io(error))
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), EvidenceError> {
        let written = self.output.write_all(bytes);
        written.map_err(|error| self.io(error))
    }

    fn io(&self, error: io::Error) -> EvidenceError {
        EvidenceError::Io { path: self.path.clone(), error }
    }
}
