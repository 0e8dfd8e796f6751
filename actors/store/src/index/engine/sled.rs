//! sled 0.34: flushes nothing on its data path, and may lose values without a word.
//!
//! Closing is left to sled, since one that is leaked keeps the lock of its folder until the process ends; so with several
//! in a process closing may wait for ever, and that is why this engine is not the default.

use super::{Entry, Fault, Store, Tree};
use catenary_journal::journal::ChainTag;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Memory for the page cache, in bytes; taken only as it fills. Far above what is read while it is being written: to
/// read a page that was evicted before it reached the disk, sled waits under a lock of the whole process for a writer
/// that may wait for that lock.
const CACHE_BYTES: u64 = 1 << 30;

/// How long opening waits for the lock of the folder: sled lets go of it in a thread of its own, a moment after the
/// last handle is gone.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// An open sled.
pub(super) struct Database(::sled::Db);

impl Database {
    /// Opens the folder, creating it if need be.
    pub(super) fn open(dir: &Path) -> Result<Self, Fault> {
        let config = ::sled::Config::new().path(dir).cache_capacity(CACHE_BYTES).flush_every_ms(None);
        let given_up = Instant::now() + LOCK_WAIT;
        loop {
            match config.open() {
                Err(::sled::Error::Io(error)) if is_locked(&error) && Instant::now() < given_up => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                opened => return Ok(Self(opened?)),
            }
        }
    }
}

/// Whether the folder is in use; sled names only the text of the error below.
fn is_locked(error: &std::io::Error) -> bool {
    error.to_string().contains("could not acquire lock")
}

impl Store for Database {
    fn tree(&self, chain: ChainTag) -> Result<Arc<dyn Tree>, Fault> {
        Ok(Arc::new(self.0.open_tree(chain.0.as_bytes())?))
    }

    fn delete_tree(&self, chain: ChainTag) -> Result<(), Fault> {
        self.0.drop_tree(chain.0.as_bytes())?;
        Ok(())
    }

    fn flush(&self) -> Result<(), Fault> {
        self.0.flush()?;
        Ok(())
    }

    fn give_up(&self) {
        // Closing a damaged sled can panic or hang, and it is deleted anyway: never close it.
        std::mem::forget(self.0.clone());
    }
}

impl Tree for ::sled::Tree {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.get(key)?.map(|value| value.to_vec()))
    }

    fn scan(&self, prefix: &[u8]) -> Box<dyn Iterator<Item = Result<Entry, Fault>>> {
        Box::new(self.scan_prefix(prefix).map(|entry| {
            let (key, value) = entry?;
            Ok((key.to_vec(), value.to_vec()))
        }))
    }

    fn apply(&self, changes: Vec<(Vec<u8>, Option<Vec<u8>>)>) -> Result<(), Fault> {
        let mut batch = ::sled::Batch::default();
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        self.apply_batch(batch)?;
        Ok(())
    }
}

impl From<::sled::Error> for Fault {
    fn from(error: ::sled::Error) -> Self {
        match error {
            ::sled::Error::Io(error) => error.into(),
            error => Self::Damage(error.to_string()),
        }
    }
}
