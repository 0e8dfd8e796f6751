//! Small file operations with errors that name the file. What creates a file also flushes its folder.

use crate::FileError;
use crate::failpoint::{Failpoint, reached};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Digits of a numbered file's name: all of a `u64`, so that names sort like numbers.
const DIGITS: usize = 20;

/// Creates a file that must not exist yet. Tests put in files that fail.
pub(crate) type Create = Box<dyn FnMut(&Path) -> io::Result<File> + Send>;

/// The ordinary [`Create`].
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create_new(true).open(path)
}

/// `<number, 20 digits>.<extension>` in `dir`.
pub(crate) fn numbered(dir: &Path, number: u64, extension: &str) -> PathBuf {
    dir.join(format!("{number:0width$}.{extension}", width = DIGITS))
}

/// The numbers of all files of the form [`numbered`], in order. Other files are left alone.
pub(crate) fn list_numbered(dir: &Path, extension: &str) -> Result<Vec<u64>, FileError> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir).map_err(FileError::of("list", dir))? {
        let path = entry.map_err(FileError::of("list", dir))?.path();
        if path.extension().is_some_and(|found| found == extension)
            && let Some(stem) = path.file_stem().and_then(|stem| stem.to_str())
            && stem.len() == DIGITS
            && let Ok(number) = stem.parse()
        {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The whole file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(FileError::of("read", path))
}

/// Creates a folder and its parents, each durably.
pub(crate) fn create_dir(dir: &Path) -> Result<(), FileError> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_dir(parent)?;
    }
    match fs::create_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        result => result.map_err(FileError::of("create", dir))?,
    }
    dir.parent().map_or(Ok(()), sync_dir)
}

/// Makes the names in a folder durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), FileError> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(FileError::of("flush", dir))
}

/// Cuts a file to `length` bytes, durably.
pub(crate) fn truncate(path: &Path, length: u64) -> Result<(), FileError> {
    let file = OpenOptions::new().write(true).open(path).map_err(FileError::of("open", path))?;
    file.set_len(length).and_then(|()| file.sync_all()).map_err(FileError::of("truncate", path))
}

/// Deletes a file; one that is already gone is fine.
pub(crate) fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(FileError::of("delete", path)),
    }
}

/// Writes a small file durably and at once: after a crash it holds `bytes` or what it held before.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let draft = path.with_extension("new");
    File::create(&draft)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .map_err(FileError::of("write", &draft))?;
    reached(Failpoint::FileDraftFlushed);
    fs::rename(&draft, path).map_err(FileError::of("write", path))?;
    path.parent().map_or(Ok(()), sync_dir)
}
