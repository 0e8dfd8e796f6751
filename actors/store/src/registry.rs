//! Which chains a node runs because a chain says so, its registry, so that they run again after a restart.
//!
//! | File | Content |
//! |---|---|
//! | `<chain id>.chain` | the record of a chain that runs here |
//! | `since` | a height of the registry in decimal, see [`RegistryDir::since`] |

use crate::{FileError, files};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryDir {
    path: PathBuf,
}

impl RegistryDir {
    pub(crate) fn open(path: PathBuf) -> Result<Self, FileError> {
        files::create_dir(&path)?;
        Ok(Self { path })
    }

    /// The records of the chains that run here.
    pub fn records(&self) -> Result<Vec<Vec<u8>>, FileError> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(FileError::of("list", &self.path))? {
            let path = entry.map_err(FileError::of("list", &self.path))?.path();
            paths.extend(path.extension().is_some_and(|end| end == "chain").then_some(path));
        }
        paths.sort();
        paths.iter().map(|path| files::read(path)).collect()
    }

    /// Keeps the record of a chain, durably.
    pub fn insert(&self, chain_id: &str, record: &[u8]) -> Result<(), FileError> {
        files::replace(&self.record(chain_id), record)
    }

    /// Forgets the record of a chain.
    pub fn remove(&self, chain_id: &str) -> Result<(), FileError> {
        files::remove(&self.record(chain_id))?;
        files::sync_dir(&self.path)
    }

    /// The height of the registry after which this node remembers all that it signed on any chain; none if it has lost that
    /// memory and not regained it. On a chain that was created later it has signed nothing that it does not know of.
    pub fn since(&self) -> Result<Option<u64>, FileError> {
        let path = self.since_path();
        if !path.exists() {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&files::read(&path)?).into_owned();
        let wrong =
            |_| io::Error::new(io::ErrorKind::InvalidData, format!("expected a height, got {text:?}"));
        text.trim().parse().map(Some).map_err(|error| FileError::of("read", &path)(wrong(error)))
    }

    /// Notes [`Self::since`], durably.
    pub fn set_since(&self, height: u64) -> Result<(), FileError> {
        files::replace(&self.since_path(), height.to_string().as_bytes())
    }

    fn since_path(&self) -> PathBuf {
        self.path.join("since")
    }

    fn record(&self, chain_id: &str) -> PathBuf {
        self.path.join(Path::new(chain_id).with_extension("chain"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_and_height_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let open = || RegistryDir::open(folder.path().join("registry")).unwrap();
        let registry = open();
        assert_eq!((registry.records().unwrap(), registry.since().unwrap()), (Vec::new(), None));
        for (chain_id, record) in [("b-0123456789abcdef-1", b"two"), ("a-0123456789abcdef-1", b"one")] {
            registry.insert(chain_id, record).unwrap();
        }
        registry.set_since(7).unwrap();
        assert_eq!(open().records().unwrap(), [b"one", b"two"]);
        assert_eq!(open().since().unwrap(), Some(7));
        registry.remove("a-0123456789abcdef-1").unwrap();
        assert_eq!(open().records().unwrap(), [b"two"]);
        fs::write(registry.since_path(), "seven").unwrap();
        assert!(open().since().unwrap_err().to_string().contains("seven"));
    }
}
