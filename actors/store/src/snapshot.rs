//! Snapshots on disk: a folder each, with a manifest and numbered chunks (docs/formats/snapshot.md).
//!
//! A folder is written under another name and renamed once everything in it is flushed, so one that has its name is
//! whole. What the bytes mean, and whether they are right, is for the reader to find out.

use crate::FileError;
use crate::failpoint::{Failpoint, reached};
use crate::files;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const MANIFEST: &str = "manifest";
const CHUNK: &str = "chunk";
/// Ends the name of a folder that is being written.
const UNFINISHED: &str = "unfinished";

/// Writes one snapshot. Dropped before its end it leaves an unfinished folder, which the next one removes.
#[derive(Debug)]
pub struct SnapshotWriter {
    draft: PathBuf,
    folder: PathBuf,
    chunks: u64,
}

impl SnapshotWriter {
    /// Begins the snapshot that is to have this name. There must be none of it.
    pub fn begin(folder: &Path) -> Result<Self, FileError> {
        let draft = folder.with_extension(UNFINISHED);
        remove(&draft)?;
        files::create_dir(&draft)?;
        Ok(Self { draft, folder: folder.to_path_buf(), chunks: 0 })
    }

    /// Writes the next chunk.
    pub fn chunk(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        write(&files::numbered(&self.draft, self.chunks, CHUNK), bytes)?;
        self.chunks += 1;
        Ok(())
    }

    /// Writes the manifest, and gives the folder its name. After a crash it has it, with all of its content, or not.
    pub fn finish(self, manifest: &[u8]) -> Result<(), FileError> {
        write(&self.draft.join(MANIFEST), manifest)?;
        files::sync_dir(&self.draft)?;
        reached(Failpoint::SnapshotFlushed);
        fs::rename(&self.draft, &self.folder).map_err(FileError::of("rename", &self.draft))?;
        self.folder.parent().map_or(Ok(()), files::sync_dir)?;
        reached(Failpoint::SnapshotNamed);
        Ok(())
    }
}

/// The encoded manifest of the snapshot in a folder; none if there is no such folder.
pub fn read_manifest(folder: &Path) -> Result<Option<Vec<u8>>, FileError> {
    if !folder.is_dir() {
        return Ok(None);
    }
    files::read(&folder.join(MANIFEST)).map(Some)
}

/// An encoded chunk of the snapshot in a folder.
pub fn read_chunk(folder: &Path, index: u64) -> Result<Vec<u8>, FileError> {
    files::read(&files::numbered(folder, index, CHUNK))
}

/// Removes what was begun of the snapshot of this name and not finished.
pub fn clean(folder: &Path) -> Result<(), FileError> {
    remove(&folder.with_extension(UNFINISHED))
}

/// The snapshots that were taken of one chain. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshots {
    folder: PathBuf,
}

impl Snapshots {
    /// Those in a folder, which need not exist.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Removes what was not finished. Nobody may be writing.
    pub fn clean(&self) -> Result<(), FileError> {
        let unfinished = |path: &PathBuf| path.extension().is_some_and(|end| end == UNFINISHED);
        self.entries()?.iter().filter(|path| unfinished(path)).try_for_each(|path| remove(path))
    }

    /// Their heights, ascending.
    pub fn heights(&self) -> Result<Vec<u64>, FileError> {
        let name = |path: &PathBuf| path.file_name()?.to_str()?.parse().ok();
        let mut heights: Vec<_> = self.entries()?.iter().filter_map(name).collect();
        heights.sort_unstable();
        Ok(heights)
    }

    /// The folder of a height.
    pub fn folder(&self, height: u64) -> PathBuf {
        self.folder.join(height.to_string())
    }

    /// Removes all but the newest ones.
    pub fn keep(&self, count: usize) -> Result<(), FileError> {
        let heights = self.heights()?;
        let old = heights.len().saturating_sub(count);
        heights[..old].iter().try_for_each(|height| remove(&self.folder(*height)))
    }

    fn entries(&self) -> Result<Vec<PathBuf>, FileError> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(FileError::of("list", &self.folder))?,
        };
        entries
            .map(|entry| entry.map(|entry| entry.path()).map_err(FileError::of("list", &self.folder)))
            .collect()
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let written =
        File::create(path).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(FileError::of("write", path))
}

/// Deletes a folder; one that is already gone is fine.
fn remove(folder: &Path) -> Result<(), FileError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(FileError::of("delete", folder)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(snapshots: &Snapshots, height: u64) -> PathBuf {
        let folder = snapshots.folder(height);
        let mut writer = SnapshotWriter::begin(&folder).unwrap();
        writer.chunk(b"first").unwrap();
        writer.chunk(b"second").unwrap();
        writer.finish(b"manifest").unwrap();
        folder
    }

    #[test]
    fn a_snapshot_has_its_name_once_it_is_whole_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::new(folder.path().join("chain"));
        assert_eq!(snapshots.heights().unwrap(), Vec::<u64>::new());
        let mut unfinished = SnapshotWriter::begin(&snapshots.folder(7)).unwrap();
        unfinished.chunk(b"first").unwrap();
        assert_eq!(snapshots.heights().unwrap(), Vec::<u64>::new());
        assert_eq!(read_manifest(&snapshots.folder(7)).unwrap(), None);
        drop(unfinished);
        let whole = written(&snapshots, 7);
        assert_eq!(read_manifest(&whole).unwrap().unwrap(), b"manifest");
        assert_eq!(read_chunk(&whole, 1).unwrap(), b"second");
        assert!(read_chunk(&whole, 2).is_err());
        // A second one of the height does not take its place.
        let again = SnapshotWriter::begin(&snapshots.folder(7)).unwrap();
        assert!(again.finish(b"another").is_err());
        assert_eq!(read_manifest(&whole).unwrap().unwrap(), b"manifest");
    }

    #[test]
    fn the_newest_are_kept_and_what_is_unfinished_goes() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::new(folder.path().join("chain"));
        for height in [10, 9, 100] {
            written(&snapshots, height);
        }
        SnapshotWriter::begin(&snapshots.folder(101)).unwrap().chunk(b"first").unwrap();
        snapshots.keep(2).unwrap();
        assert_eq!(snapshots.heights().unwrap(), [10, 100]);
        snapshots.clean().unwrap();
        assert_eq!(fs::read_dir(folder.path().join("chain")).unwrap().count(), 2);
    }
}
