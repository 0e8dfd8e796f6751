//! What can go wrong with a file. Cloneable, since a final error is repeated to everyone who asks.

use catenary_journal::UnsupportedVersion;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// An operation on a file or folder failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FileError {
    /// The disk, or a quota on it, is full.
    #[error("the disk is full: cannot {action} {}", path.display())]
    DiskFull {
        /// What was attempted.
        action: &'static str,
        /// On which file.
        path: PathBuf,
    },
    /// Anything else.
    #[error("cannot {action} {}: {message}", path.display())]
    Failed {
        /// What was attempted.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system calls it.
        kind: io::ErrorKind,
        /// What the system says.
        message: String,
    },
}

/// Journal, guard or block log cannot be opened. Damage is no reason: that is told with what was opened.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OpenError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// It was written by a newer build.
    #[error(transparent)]
    Version(#[from] UnsupportedVersion),
}

impl FileError {
    /// Turns an error of the system into one that says what was attempted, for use with `map_err`.
    pub(crate) fn of(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { action, path },
            kind => Self::Failed { action, path, kind, message: error.to_string() },
        }
    }

    /// Whether freeing space on the disk would help.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::DiskFull { .. })
    }
}
