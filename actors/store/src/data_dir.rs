//! The data folder of a node: layout, lock and version.

use crate::failpoint::{Failpoint, reached};
use crate::{FileError, files, registry::RegistryDir, snapshot::Snapshots};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use thiserror::Error;

const FORMAT: &str = "catenary data 1\n";

/// A data folder cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OpenDirError {
    /// Another process runs on it.
    #[error("data folder {} is in use by another process", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// It was written by a version that this build does not know.
    #[error("data folder {} has the format {found:?}, this build reads {supported:?}", path.display())]
    Format {
        /// The folder.
        path: PathBuf,
        /// Content of its `FORMAT` file.
        found: String,
        /// The one content this build accepts.
        supported: &'static str,
    },
    /// No node ever kept anything there.
    #[error("{} is no data folder of a node: it has no file FORMAT", path.display())]
    NoData {
        /// The folder.
        path: PathBuf,
    },
    /// The chain has another genesis than the one it was started with.
    #[error("data folder holds another genesis of {chain_id}")]
    OtherGenesis {
        /// The chain.
        chain_id: String,
    },
    /// A chain id that cannot name a folder.
    #[error("{chain_id:?} cannot name a folder")]
    InvalidChainId {
        /// The id.
        chain_id: String,
    },
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A data folder, locked for this process until it is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    // Closing the file releases the lock; it must go before the folder does.
    _lock: File,
    _temporary: Option<TempDir>,
}

/// The part of a data folder that belongs to one chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainDir {
    chain_id: String,
    path: PathBuf,
}

/// Why a block log is put aside, which its folder's name says from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetAside {
    /// It is damaged.
    Damaged,
    /// The operator cut it.
    RolledBack,
}

impl SetAside {
    fn name(self) -> &'static str {
        match self {
            Self::Damaged => "damaged",
            Self::RolledBack => "rolled-back",
        }
    }
}

impl DataDir {
    /// Opens the folder, creating what is missing, and locks it.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, OpenDirError> {
        Self::lock(path.into(), None)
    }

    /// Opens a folder that a node has used, and locks it.
    pub fn open_existing(path: impl Into<PathBuf>) -> Result<Self, OpenDirError> {
        let path = path.into();
        if !path.join("FORMAT").is_file() {
            return Err(OpenDirError::NoData { path });
        }
        Self::lock(path, None)
    }

    /// A new folder under the system's temporary one, deleted with its content when this is dropped.
    pub fn temporary() -> Result<Self, OpenDirError> {
        let parent = std::env::temp_dir();
        let folder = tempfile::Builder::new().prefix("catenary-").tempdir();
        let folder = folder.map_err(FileError::of("create a folder in", &parent))?;
        Self::lock(folder.path().to_path_buf(), Some(folder))
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Folder of the node's journal.
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }

    /// The guard's file.
    pub fn guard(&self) -> PathBuf {
        self.path.join("guard")
    }

    /// Folder of the index. Whoever deletes it loses nothing but the time of a rebuild.
    pub fn index(&self) -> PathBuf {
        self.path.join("index")
    }

    /// The snapshots that were taken of a chain.
    pub fn snapshots(&self, chain_id: &str) -> Snapshots {
        Snapshots::new(self.path.join("snapshots").join(chain_id))
    }

    /// The part that belongs to the chain with this id, created if need be.
    pub fn chain(&self, chain_id: &str) -> Result<ChainDir, OpenDirError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if chain_id.is_empty() || !chain_id.bytes().all(allowed) {
            return Err(OpenDirError::InvalidChainId { chain_id: chain_id.to_owned() });
        }
        let path = self.path.join("chains").join(chain_id);
        files::create_dir(&path.join("blocks"))?;
        Ok(ChainDir { chain_id: chain_id.to_owned(), path })
    }

    /// Deletes all that belongs to a chain; nothing may be open.
    pub fn delete_chain(&self, chain_id: &str) -> Result<(), OpenDirError> {
        let ChainDir { path, .. } = self.chain(chain_id)?;
        for folder in [self.path.join("snapshots").join(chain_id), path] {
            if folder.exists() {
                fs::remove_dir_all(&folder).map_err(FileError::of("delete", &folder))?;
            }
        }
        Ok(files::sync_dir(&self.path.join("chains"))?)
    }

    /// The chains that this node runs because a chain says so.
    pub fn registry(&self) -> Result<RegistryDir, FileError> {
        RegistryDir::open(self.path.join("registry"))
    }

    /// Ids of the chains that have a folder, in order.
    pub fn chain_ids(&self) -> Result<Vec<String>, FileError> {
        let dir = self.path.join("chains");
        if !dir.is_dir() {
            return Ok(Vec::new());
        }
        let mut ids = Vec::new();
        for entry in fs::read_dir(&dir).map_err(FileError::of("list", &dir))? {
            let name = entry.map_err(FileError::of("list", &dir))?.file_name();
            ids.extend(name.into_string());
        }
        ids.sort_unstable();
        Ok(ids)
    }

    fn lock(path: PathBuf, temporary: Option<TempDir>) -> Result<Self, OpenDirError> {
        files::create_dir(&path)?;
        let lock_path = path.join("LOCK");
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(FileError::of("open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenDirError::InUse { path }),
            Err(TryLockError::Error(error)) => return Err(FileError::of("lock", &lock_path)(error).into()),
        }
        check_format(&path)?;
        Ok(Self { path, _lock: lock, _temporary: temporary })
    }
}

impl ChainDir {
    /// Folder of the chain's block log.
    pub fn blocks(&self) -> PathBuf {
        self.path.join("blocks")
    }

    /// Folder of the snapshot that the chain's block log goes on from; one that began with the genesis has none.
    pub fn base(&self) -> PathBuf {
        self.path.join("base")
    }

    /// Whether the chain has no block yet, nor a snapshot to go on from.
    pub fn is_blank(&self) -> Result<bool, FileError> {
        let blocks = self.blocks();
        let mut files = fs::read_dir(&blocks).map_err(FileError::of("list", &blocks))?;
        Ok(files.next().is_none() && !self.base().exists())
    }

    /// An empty folder for a log that is to replace the present one; see [`Self::replace_blocks`].
    pub fn blocks_anew(&self) -> Result<PathBuf, FileError> {
        let anew = self.path.join("blocks.anew");
        if anew.exists() {
            // What an earlier attempt left.
            fs::remove_dir_all(&anew).map_err(FileError::of("remove", &anew))?;
        }
        files::create_dir(&anew)?;
        Ok(anew)
    }

    /// Puts the log of [`Self::blocks_anew`] in the place of the present one, which is kept under the name that is given
    /// back. Neither may be open.
    pub fn replace_blocks(&self, because: SetAside) -> Result<String, FileError> {
        let name = |number: u32| format!("blocks.{}-{number}", because.name());
        let free = |name: &String| !self.path.join(name).exists();
        let aside = (1..).map(name).find(free).unwrap_or_default();
        let rename = |from: PathBuf, to: PathBuf| {
            fs::rename(&from, to).map_err(FileError::of("rename", &from))?;
            files::sync_dir(&self.path)
        };
        // Between the two there is no log, which is as good as one that is empty.
        rename(self.blocks(), self.path.join(&aside))?;
        reached(Failpoint::BlockLogSetAside);
        rename(self.path.join("blocks.anew"), self.blocks())?;
        Ok(aside)
    }

    /// The genesis document, if one was stored. Compare its hash with the chain id before use.
    pub fn genesis(&self) -> Result<Option<Vec<u8>>, FileError> {
        let path = self.genesis_path();
        if path.exists() { files::read(&path).map(Some) } else { Ok(None) }
    }

    /// Stores the genesis document durably, once: another document for the same chain is refused.
    pub fn store_genesis(&self, genesis: &[u8]) -> Result<(), OpenDirError> {
        match self.genesis()? {
            Some(stored) if stored == genesis => Ok(()),
            Some(_) => Err(OpenDirError::OtherGenesis { chain_id: self.chain_id.clone() }),
            None => {
                files::replace(&self.genesis_path(), genesis)?;
                reached(Failpoint::GenesisStored);
                Ok(())
            }
        }
    }

    /// Removes the genesis document, which is not the one that the chain's id names.
    pub fn forget_genesis(&self) -> Result<(), FileError> {
        files::remove(&self.genesis_path())
    }

    fn genesis_path(&self) -> PathBuf {
        self.path.join("genesis")
    }
}

fn check_format(dir: &Path) -> Result<(), OpenDirError> {
    let path = dir.join("FORMAT");
    if !path.exists() {
        files::replace(&path, FORMAT.as_bytes())?;
        reached(Failpoint::DataFormatWritten);
        return Ok(());
    }
    let found = String::from_utf8_lossy(&files::read(&path)?).into_owned();
    if found == FORMAT {
        return Ok(());
    }
    Err(OpenDirError::Format { path: dir.to_path_buf(), found, supported: FORMAT })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_refused_until_the_first_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataDir::open(folder.path()).unwrap();
        let error = DataDir::open(folder.path()).unwrap_err();
        assert_eq!(error, OpenDirError::InUse { path: folder.path().to_path_buf() });
        drop(first);
        DataDir::open(folder.path()).unwrap();
    }

    #[test]
    fn a_temporary_folder_goes_with_its_owner() {
        let data = DataDir::temporary().unwrap();
        let path = data.path().to_path_buf();
        data.chain("berka-0123456789abcdef-1").unwrap().store_genesis(b"genesis").unwrap();
        assert!(path.join("chains/berka-0123456789abcdef-1/genesis").is_file());
        drop(data);
        assert!(!path.exists());
    }

    #[test]
    fn a_genesis_is_stored_once() {
        let data = DataDir::temporary().unwrap();
        let chain = data.chain("berka-0123456789abcdef-1").unwrap();
        assert_eq!(chain.genesis().unwrap(), None);
        chain.store_genesis(b"genesis").unwrap();
        chain.store_genesis(b"genesis").unwrap();
        assert_eq!(chain.genesis().unwrap().unwrap(), b"genesis");
        let error = chain.store_genesis(b"another").unwrap_err();
        assert!(matches!(error, OpenDirError::OtherGenesis { .. }));
        assert_eq!(data.chain_ids().unwrap(), ["berka-0123456789abcdef-1"]);
    }

    #[test]
    fn nothing_is_left_of_a_chain_that_is_deleted() {
        let data = DataDir::temporary().unwrap();
        let ids = ["berka-0123456789abcdef-1", "prague-0123456789abcdef-1"];
        for chain_id in ids {
            data.chain(chain_id).unwrap().store_genesis(b"genesis").unwrap();
            fs::create_dir_all(data.path().join("snapshots").join(chain_id).join("7")).unwrap();
        }
        data.delete_chain(ids[0]).unwrap();
        assert_eq!(data.chain_ids().unwrap(), [ids[1]]);
        assert!(!data.path().join("snapshots").join(ids[0]).exists());
        assert!(data.path().join("snapshots").join(ids[1]).join("7").exists());
    }

    #[test]
    fn a_chain_id_cannot_leave_the_folder() {
        let data = DataDir::temporary().unwrap();
        for chain_id in ["", "..", "a/b", "A"] {
            assert!(matches!(data.chain(chain_id), Err(OpenDirError::InvalidChainId { .. })), "{chain_id:?}");
        }
    }

    #[test]
    fn a_folder_that_no_node_has_used_is_not_made_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        assert_eq!(DataDir::open_existing(&path).unwrap_err(), OpenDirError::NoData { path: path.clone() });
        assert!(!path.exists());
        drop(DataDir::open(&path).unwrap());
        DataDir::open_existing(&path).unwrap();
    }

    #[test]
    fn an_unknown_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        drop(DataDir::open(folder.path()).unwrap());
        std::fs::write(folder.path().join("FORMAT"), "catenary data 2\n").unwrap();
        assert!(matches!(DataDir::open(folder.path()), Err(OpenDirError::Format { .. })));
    }
}
