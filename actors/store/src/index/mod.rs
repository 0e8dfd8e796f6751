//! The index: a rebuildable store of sealed values on sled, one key space per chain.
//!
//! sled neither flushes its data path nor survives every flipped bit: it may panic, fail to open or lose values without a
//! word. So nothing here is the only copy of anything, and three things stand between sled and its user:
//!
//! - every value is sealed with a checksum bound to chain and key: no value is wrong or in the wrong place;
//! - every batch also writes the digest of the whole key space, checked when the space is opened: no value is missing;
//! - a panic of sled becomes [`IndexError::Damaged`].
//!
//! So an opened space holds exactly what one of the batches left, the last or, after a crash, maybe an earlier one: put the
//! height into the batch, and replay from there. The answer to damage is always [`Index::delete`] and a rebuild.
//!
//! A batch is applied as a whole or not at all, also over a crash. There are no snapshots: a key space has one writer, its
//! chain, so what that writer scans between two batches is the state after the first.

mod digest;
#[cfg(test)]
mod tests;

use crate::{FileError, files};
use catenary_journal::journal::ChainTag;
use catenary_journal::sealed;
use digest::Digest;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use thiserror::Error;

/// Memory for sled's page cache, in bytes; taken only as it fills. Far above what is read while it is being written: to
/// read a page that was evicted before it reached the disk, sled 0.34 waits under a lock of the whole process for a
/// writer that may wait for that lock, and with several nodes in a process that was seen to be for ever.
const CACHE_BYTES: u64 = 1 << 30;

/// Key of a space's digest; the keys of its owner start with another byte.
const DIGEST_KEY: &[u8] = &[0];
const OWNER_PREFIX: u8 = 1;

/// The index cannot do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IndexError {
    /// What it holds is not what was put into it: delete and rebuild it.
    #[error("index in {} is damaged: {reason}", path.display())]
    Damaged {
        /// Its folder.
        path: PathBuf,
        /// How it showed.
        reason: String,
    },
    /// The disk failed.
    #[error(transparent)]
    File(#[from] FileError),
}

/// The index of a node.
#[derive(Debug)]
pub struct Index {
    inner: Arc<Inner>,
}

/// One chain's key space.
#[derive(Clone, Debug)]
pub struct Space {
    inner: Arc<Inner>,
    tree: sled::Tree,
    chain: ChainTag,
    /// Of everything in the space. Locked while a batch is applied.
    digest: Arc<Mutex<Digest>>,
}

/// Changes that are made together. Of several changes of one key the last counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

#[derive(Debug)]
struct Inner {
    db: sled::Db,
    path: PathBuf,
    /// One digest per open space, shared by its handles.
    digests: Mutex<BTreeMap<ChainTag, Arc<Mutex<Digest>>>>,
}

impl Batch {
    /// Sets a value.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.changes.insert(key.into(), Some(value.into()));
    }

    /// Deletes a value, if there is one.
    pub fn delete(&mut self, key: impl Into<Vec<u8>>) {
        self.changes.insert(key.into(), None);
    }

    /// Number of keys changed.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether there are no changes.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

impl Index {
    /// Opens the index in `dir`, creating it if need be.
    ///
    /// An opening that ended the process, which damaged files can bring about, is remembered: the next one reports the index as damaged
    /// instead of running into the same end.
    pub fn open(dir: &Path) -> Result<Self, IndexError> {
        if let Some(parent) = dir.parent() {
            files::create_dir(parent)?;
        }
        let marker = marker(dir);
        if marker.exists() {
            return Err(damaged(dir, "its last opening did not come to an end"));
        }
        fs::write(&marker, []).map_err(FileError::of("write", &marker))?;
        let config = sled::Config::new().path(dir).cache_capacity(CACHE_BYTES).flush_every_ms(None);
        let opened = guard(dir, || config.open());
        files::remove(&marker)?;
        Ok(Self {
            inner: Arc::new(Inner { db: opened?, path: dir.to_path_buf(), digests: Mutex::default() }),
        })
    }

    /// Opens the index; one that is damaged is deleted and created anew, and the damage returned.
    pub fn open_or_recreate(dir: &Path) -> Result<(Self, Option<IndexError>), IndexError> {
        match Self::open(dir) {
            Ok(index) => Ok((index, None)),
            Err(damage @ IndexError::Damaged { .. }) => {
                Self::delete(dir)?;
                Ok((Self::open(dir)?, Some(damage)))
            }
            Err(error) => Err(error),
        }
    }

    /// Deletes the index in `dir` with all its key spaces. It must not be open, but for one that reported damage.
    pub fn delete(dir: &Path) -> Result<(), FileError> {
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result.map_err(FileError::of("delete", dir))?,
        }
        files::remove(&marker(dir))
    }

    /// The key space of a chain, created if need be. The first call for a chain reads and verifies all of it.
    pub fn space(&self, chain: ChainTag) -> Result<Space, IndexError> {
        let inner = self.inner.clone();
        let tree = inner.run(|db| db.open_tree(chain.0.as_bytes()))?;
        let mut digests = inner.digests.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(digest) = digests.get(&chain) {
            let digest = digest.clone();
            drop(digests);
            return Ok(Space { inner, tree, chain, digest });
        }
        let digest = Arc::new(Mutex::default());
        let space = Space { inner: inner.clone(), tree, chain, digest: digest.clone() };
        *space.digest() = space.verify()?;
        digests.insert(chain, digest);
        drop(digests);
        Ok(space)
    }

    /// Deletes the key space of a chain with everything in it. Handles to it must not be used any more.
    pub fn delete_space(&self, chain: ChainTag) -> Result<(), IndexError> {
        self.inner.run(|db| db.drop_tree(chain.0.as_bytes()))?;
        self.inner.digests.lock().unwrap_or_else(PoisonError::into_inner).remove(&chain);
        Ok(())
    }

    /// Hands everything applied so far to the system, so that it survives the end of the process.
    pub fn flush(&self) -> Result<(), IndexError> {
        self.inner.run(|db| db.flush()).map(drop)
    }
}

impl Space {
    /// The value under `key`, verified.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        let key = owned_key(key);
        self.stored(&key)?.map(|stored| self.unseal(&key, &stored)).transpose()
    }

    /// All keys that start with `prefix` with their values, verified, in order of the keys.
    pub fn scan(&self, prefix: &[u8]) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), IndexError>> + '_ {
        self.raw_scan(owned_key(prefix)).map(|entry| {
            let (key, stored) = entry?;
            let value = self.unseal(&key, &stored)?;
            Ok((key[1..].to_vec(), value))
        })
    }

    /// Applies all changes or none.
    pub fn apply(&self, batch: Batch) -> Result<(), IndexError> {
        let mut current = self.digest();
        let mut digest = *current;
        let mut changes = sled::Batch::default();
        for (key, value) in batch.changes {
            let key = owned_key(&key);
            if let Some(old) = self.stored(&key)? {
                digest.toggle(&key, &old);
            }
            match value {
                Some(value) => {
                    let sealed = sealed::seal(&self.sealing_key(&key), &value);
                    digest.toggle(&key, &sealed);
                    changes.insert(key, sealed);
                }
                None => changes.remove(key),
            }
        }
        changes.insert(DIGEST_KEY, sealed::seal(&self.sealing_key(DIGEST_KEY), digest.as_bytes()));
        self.inner.run(|_| self.tree.apply_batch(changes))?;
        *current = digest;
        Ok(())
    }

    /// The digest of what is there, if it is the one that the last batch wrote.
    fn verify(&self) -> Result<Digest, IndexError> {
        let mut digest = Digest::default();
        for entry in self.raw_scan(vec![OWNER_PREFIX]) {
            let (key, stored) = entry?;
            self.unseal(&key, &stored)?;
            digest.toggle(&key, &stored);
        }
        let promised = match self.stored(DIGEST_KEY)? {
            Some(stored) => self.unseal(DIGEST_KEY, &stored)?,
            None => Digest::default().as_bytes().to_vec(),
        };
        if promised == digest.as_bytes() {
            Ok(digest)
        } else {
            Err(damaged(&self.inner.path, &format!("values of chain {} are missing", self.chain)))
        }
    }

    fn stored(&self, key: &[u8]) -> Result<Option<sled::IVec>, IndexError> {
        self.inner.run(|_| self.tree.get(key))
    }

    fn raw_scan(
        &self,
        prefix: Vec<u8>,
    ) -> impl Iterator<Item = Result<(sled::IVec, sled::IVec), IndexError>> {
        let mut entries = Some(self.tree.scan_prefix(prefix));
        std::iter::from_fn(move || {
            let next = self.inner.run(|_| entries.as_mut().and_then(Iterator::next).transpose());
            if next.is_err() {
                // Nothing more is read from a damaged store.
                entries = None;
            }
            next.transpose()
        })
    }

    fn unseal(&self, key: &[u8], stored: &[u8]) -> Result<Vec<u8>, IndexError> {
        sealed::unseal(&self.sealing_key(key), stored)
            .map(<[u8]>::to_vec)
            .map_err(|error| damaged(&self.inner.path, &error.to_string()))
    }

    /// Binds a value to its chain too.
    fn sealing_key(&self, key: &[u8]) -> Vec<u8> {
        [self.chain.0.as_bytes(), key].concat()
    }

    fn digest(&self) -> std::sync::MutexGuard<'_, Digest> {
        // It is replaced as a whole, so a panicking holder leaves it as it was.
        self.digest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn owned_key(key: &[u8]) -> Vec<u8> {
    [&[OWNER_PREFIX], key].concat()
}

impl Inner {
    fn run<T>(&self, operation: impl FnOnce(&sled::Db) -> sled::Result<T>) -> Result<T, IndexError> {
        let result = guard(&self.path, || operation(&self.db));
        if matches!(result, Err(IndexError::Damaged { .. })) {
            // Closing a damaged sled can panic or hang, and it is deleted anyway: never close it.
            std::mem::forget(self.db.clone());
        }
        result
    }
}

/// Runs an operation of sled; errors of the disk stay what they are, everything else is damage.
fn guard<T>(dir: &Path, operation: impl FnOnce() -> sled::Result<T>) -> Result<T, IndexError> {
    match catch_unwind(AssertUnwindSafe(operation)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Io(error))) => match error.kind() {
            // How sled reports a file that is shorter or other than it should be.
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => {
                Err(damaged(dir, &error.to_string()))
            }
            _ => Err(FileError::of("use the index in", dir)(error).into()),
        },
        Ok(Err(error)) => Err(damaged(dir, &error.to_string())),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            Err(damaged(dir, &format!("sled panicked: {text}")))
        }
    }
}

fn damaged(dir: &Path, reason: &str) -> IndexError {
    IndexError::Damaged { path: dir.to_path_buf(), reason: reason.to_owned() }
}

/// Stands beside the folder while it is being opened.
fn marker(dir: &Path) -> PathBuf {
    dir.with_extension("opening")
}
