//! The index: a rebuildable store of sealed values, one key space per chain, on one of two [`Engine`]s.
//!
//! No engine is trusted: it may panic, fail to open or lose values without a word. So nothing here is the only copy of
//! anything, and three things stand between an engine and its user:
//!
//! - every value is sealed with a checksum bound to chain and key: no value is wrong or in the wrong place;
//! - every batch also writes the digest of the whole key space, checked when the space is opened: no value is missing;
//! - a panic of the engine becomes [`IndexError::Damaged`].
//!
//! So an opened space holds exactly what one of the batches left, the last or, after a crash, maybe an earlier one: put the
//! height into the batch, and replay from there. The answer to damage is always [`Index::delete`] and a rebuild.
//!
//! A batch is applied as a whole or not at all, also over a crash. There are no snapshots: a key space has one writer, its
//! chain, so what that writer scans between two batches is the state after the first.

mod digest;
mod engine;
#[cfg(test)]
mod tests;

pub use engine::Engine;

use crate::failpoint::{Failpoint, reached};
use crate::{FileError, files};
use catenary_journal::journal::ChainTag;
use catenary_journal::sealed;
use digest::Digest;
use engine::{Entry, Fault, Store, Tree};
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use thiserror::Error;

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
#[derive(Clone)]
pub struct Space {
    inner: Arc<Inner>,
    tree: Arc<dyn Tree>,
    chain: ChainTag,
    /// Of everything in the space. Locked while a batch is applied.
    digest: Arc<Mutex<Digest>>,
}

/// Changes that are made together. Of several changes of one key the last counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

struct Inner {
    store: Box<dyn Store>,
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
    pub fn open(dir: &Path, engine: Engine) -> Result<Self, IndexError> {
        if let Some(parent) = dir.parent() {
            files::create_dir(parent)?;
        }
        let marker = marker(dir);
        if marker.exists() {
            return Err(damaged(dir, "its last opening did not come to an end"));
        }
        fs::write(&marker, []).map_err(FileError::of("write", &marker))?;
        reached(Failpoint::IndexOpening);
        let opened = guard(dir, || engine.open(dir));
        files::remove(&marker)?;
        Ok(Self {
            inner: Arc::new(Inner { store: opened?, path: dir.to_path_buf(), digests: Mutex::default() }),
        })
    }

    /// Opens the index; one that is damaged is deleted and created anew, and the damage returned.
    pub fn open_or_recreate(dir: &Path, engine: Engine) -> Result<(Self, Option<IndexError>), IndexError> {
        match Self::open(dir, engine) {
            Ok(index) => Ok((index, None)),
            Err(damage @ IndexError::Damaged { .. }) => {
                Self::delete(dir)?;
                Ok((Self::open(dir, engine)?, Some(damage)))
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
        let tree = inner.run(|store| store.tree(chain))?;
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

    /// Whether there are handles to a chain's key space.
    pub fn is_used(&self, chain: ChainTag) -> bool {
        let digests = self.inner.digests.lock().unwrap_or_else(PoisonError::into_inner);
        digests.get(&chain).is_some_and(|digest| Arc::strong_count(digest) > 1)
    }

    /// Deletes the key space of a chain with everything in it. Handles to it must not be used any more.
    pub fn delete_space(&self, chain: ChainTag) -> Result<(), IndexError> {
        self.inner.run(|store| store.delete_tree(chain))?;
        self.inner.digests.lock().unwrap_or_else(PoisonError::into_inner).remove(&chain);
        Ok(())
    }

    /// Returns when everything applied so far is on the disk. Nothing depends on it: the index is rebuildable.
    pub fn flush(&self) -> Result<(), IndexError> {
        self.inner.run(|store| store.flush())
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
        let mut changes = Vec::with_capacity(batch.changes.len() + 1);
        for (key, value) in batch.changes {
            let key = owned_key(&key);
            if let Some(old) = self.stored(&key)? {
                digest.toggle(&key, &old);
            }
            match value {
                Some(value) => {
                    let sealed = sealed::seal(&self.sealing_key(&key), &value);
                    digest.toggle(&key, &sealed);
                    changes.push((key, Some(sealed)));
                }
                None => changes.push((key, None)),
            }
        }
        let sealed = sealed::seal(&self.sealing_key(DIGEST_KEY), digest.as_bytes());
        changes.push((DIGEST_KEY.to_vec(), Some(sealed)));
        reached(Failpoint::IndexCheckpointGathered);
        self.inner.run(|_| self.tree.apply(changes))?;
        reached(Failpoint::IndexCheckpointApplied);
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

    fn stored(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        self.inner.run(|_| self.tree.get(key))
    }

    fn raw_scan(&self, prefix: Vec<u8>) -> impl Iterator<Item = Result<Entry, IndexError>> {
        let mut entries = None;
        let mut failed = false;
        std::iter::from_fn(move || {
            if failed {
                // Nothing more is read from a damaged store.
                return None;
            }
            let next =
                self.inner.run(|_| entries.get_or_insert_with(|| self.tree.scan(&prefix)).next().transpose());
            failed = next.is_err();
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

impl fmt::Debug for Inner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Inner").field("path", &self.path).finish_non_exhaustive()
    }
}

impl fmt::Debug for Space {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inner, chain, .. } = self;
        formatter.debug_struct("Space").field("inner", inner).field("chain", chain).finish_non_exhaustive()
    }
}

impl Inner {
    fn run<T>(&self, operation: impl FnOnce(&dyn Store) -> Result<T, Fault>) -> Result<T, IndexError> {
        let result = guard(&self.path, || operation(&*self.store));
        if matches!(result, Err(IndexError::Damaged { .. })) {
            self.store.give_up();
        }
        result
    }
}

/// Runs an operation of the engine; errors of the disk stay what they are, everything else is damage.
fn guard<T>(dir: &Path, operation: impl FnOnce() -> Result<T, Fault>) -> Result<T, IndexError> {
    match catch_unwind(AssertUnwindSafe(operation)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(Fault::Disk(error))) => Err(FileError::of("use the index in", dir)(error).into()),
        Ok(Err(Fault::Damage(reason))) => Err(damaged(dir, &reason)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            Err(damaged(dir, &format!("its engine panicked: {text}")))
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
