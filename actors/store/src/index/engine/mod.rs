//! What the index asks of a store, and the two stores that give it.

mod fjall;
mod sled;

use catenary_journal::journal::ChainTag;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The store under an index. The files of one mean nothing to the other: with another engine the index is rebuilt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// A log-structured merge tree. Closing it writes nothing and waits for nobody but its own worker.
    #[default]
    Fjall,
    /// A page store. Several in one process can wait for each other for ever: for one node per process only.
    Sled,
}

/// Why a store did not do what was asked.
#[derive(Debug)]
pub(super) enum Fault {
    /// The disk, or the system.
    Disk(io::Error),
    /// Its files are not what it wrote.
    Damage(String),
}

/// Key and value.
pub(super) type Entry = (Vec<u8>, Vec<u8>);

/// An open store. Every call may panic on damaged files.
pub(super) trait Store: Send + Sync {
    /// The tree of a chain, created if need be.
    fn tree(&self, chain: ChainTag) -> Result<Arc<dyn Tree>, Fault>;

    /// Deletes the tree of a chain, if there is one.
    fn delete_tree(&self, chain: ChainTag) -> Result<(), Fault>;

    /// Returns when everything applied is on the disk.
    fn flush(&self) -> Result<(), Fault>;

    /// Called once damage has shown: whatever closing would do to a damaged store must not happen any more.
    fn give_up(&self) {}
}

/// An ordered map in a store.
pub(super) trait Tree: Send + Sync {
    /// The value under `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault>;

    /// What there is now under keys that start with `prefix`, in order of the keys.
    fn scan(&self, prefix: &[u8]) -> Box<dyn Iterator<Item = Result<Entry, Fault>>>;

    /// Sets or deletes values, all or none, also over a crash.
    fn apply(&self, changes: Vec<(Vec<u8>, Option<Vec<u8>>)>) -> Result<(), Fault>;
}

impl Engine {
    /// Opens the store in `dir`, creating it if need be.
    pub(super) fn open(self, dir: &Path) -> Result<Box<dyn Store>, Fault> {
        if !self.may_use(dir)? {
            return Err(Fault::Damage("its files are not of this engine".to_owned()));
        }
        Ok(match self {
            Self::Fjall => Box::new(fjall::Database::open(dir)?),
            Self::Sled => Box::new(sled::Database::open(dir)?),
        })
    }

    /// Whether the folder is new, empty, or holds the file that this engine never lacks.
    fn may_use(self, dir: &Path) -> Result<bool, Fault> {
        let own = match self {
            Self::Fjall => "version",
            Self::Sled => "conf",
        };
        match dir.read_dir() {
            Ok(mut files) => Ok(files.next().is_none() || dir.join(own).exists()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(Fault::Disk(error)),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // How a store reports a file that is shorter or other than it should be, missing, or in the way; an offset
            // from a damaged file is invalid input.
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::NotFound
            | io::ErrorKind::AlreadyExists => Self::Damage(error.to_string()),
            _ => Self::Disk(error),
        }
    }
}
