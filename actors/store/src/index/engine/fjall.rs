//! fjall 3.1: a log, and per chain a table in memory that is sorted into files. A batch is handed to the system when it
//! is applied, so a process that is killed loses none; the power may take the last ones, each as a whole.
//!
//! Two things are kept from fjall:
//!
//! - When a table in memory is full, it holds writers back in a loop that never ends if its worker died, for example of a
//!   full disk. Here full tables are handed over one at a time, and whoever waits looks whether the worker lives.
//! - Some numbers in its files it uses before they are checked, and a wrong one ends the process: they are checked first.

mod check;

use super::{Entry, Fault, Store, Tree};
use ::fjall::{AbstractTree, Error, Keyspace, KeyspaceCreateOptions, LsmError, PersistMode};
use catenary_journal::journal::ChainTag;
use std::fs::{File, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Memory for blocks of files, in bytes, per node; taken only as it fills.
const CACHE_BYTES: u64 = 8 << 20;

/// Where a chain's table in memory is full, in bytes; tests must get along with files too.
const MEMTABLE_BYTES: u64 = if cfg!(test) { 16 << 10 } else { 1 << 20 };

/// Where chains that write little are made to let go of the log, in bytes: the least there is. It bounds what is read
/// when the index is opened.
const JOURNAL_BYTES: u64 = 64 << 20;

/// Files held open per node.
const OPEN_FILES: usize = 128;

/// How long the worker may take for one table, before it counts as a disk that does not answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// An open fjall; the last handle closes it.
pub(super) struct Database(Arc<Handle>);

/// Taken out only to be dropped.
struct Handle(Option<::fjall::Database>);

/// A chain's keyspace.
struct Space {
    keyspace: Keyspace,
    database: Arc<Handle>,
}

impl Database {
    /// Opens the folder, creating it if need be.
    pub(super) fn open(dir: &Path) -> Result<Self, Fault> {
        check_files(dir)?;
        let database = ::fjall::Database::builder(dir)
            .worker_threads(1)
            .cache_size(CACHE_BYTES)
            .max_cached_files(Some(OPEN_FILES))
            .max_journaling_size(JOURNAL_BYTES)
            .open()?;
        Ok(Self(Arc::new(Handle(Some(database)))))
    }

    fn keyspace(&self, chain: ChainTag) -> Result<Keyspace, Fault> {
        let options = || KeyspaceCreateOptions::default().max_memtable_size(u64::MAX);
        Ok(self.0.get().keyspace(&chain.to_string(), options)?)
    }
}

/// Checks what fjall would not, unless the database is new.
fn check_files(dir: &Path) -> Result<(), Fault> {
    if !dir.join("version").exists() {
        return Ok(());
    }
    // The files of a database in use change while they are read.
    let lock = File::open(dir.join("lock"))?;
    lock.try_lock().map_err(|error| match error {
        TryLockError::Error(error) => error.into(),
        TryLockError::WouldBlock => Fault::from(Error::Locked),
    })?;
    check::check(dir)
}

impl Handle {
    fn get(&self) -> &::fjall::Database {
        self.0.as_ref().expect("is there until it is dropped")
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let database = self.0.take();
        // Whoever closes an index has no use for the panic of a damaged one, which showed before.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
    }
}

impl Store for Database {
    fn tree(&self, chain: ChainTag) -> Result<Arc<dyn Tree>, Fault> {
        Ok(Arc::new(Space { keyspace: self.keyspace(chain)?, database: self.0.clone() }))
    }

    fn delete_tree(&self, chain: ChainTag) -> Result<(), Fault> {
        if self.0.get().keyspace_exists(&chain.to_string()) {
            self.0.get().delete_keyspace(self.keyspace(chain)?)?;
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), Fault> {
        Ok(self.0.get().persist(PersistMode::SyncAll)?)
    }
}

impl Space {
    /// Hands a full table to the worker, once the one before it is in a file.
    fn make_room(&self) -> Result<(), Fault> {
        if self.keyspace.tree.active_memtable().size() < MEMTABLE_BYTES {
            return Ok(());
        }
        let start = Instant::now();
        while self.keyspace.sealed_memtable_count() > 0 {
            // Fails if the worker died; the log is clean, so it does nothing else.
            self.database.get().persist(PersistMode::Buffer)?;
            if start.elapsed() > PATIENCE {
                return Err(Fault::Disk(io::ErrorKind::TimedOut.into()));
            }
            thread::sleep(Duration::from_millis(1));
        }
        self.keyspace.rotate_memtable()?;
        Ok(())
    }
}

impl Tree for Space {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.keyspace.get(key)?.map(|value| value.to_vec()))
    }

    fn scan(&self, prefix: &[u8]) -> Box<dyn Iterator<Item = Result<Entry, Fault>>> {
        Box::new(self.keyspace.prefix(prefix).map(|entry| {
            let (key, value) = entry.into_inner()?;
            Ok((key.to_vec(), value.to_vec()))
        }))
    }

    fn apply(&self, changes: Vec<(Vec<u8>, Option<Vec<u8>>)>) -> Result<(), Fault> {
        self.make_room()?;
        let mut batch = self.database.get().batch();
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(&self.keyspace, key, value),
                None => batch.remove(&self.keyspace, key),
            }
        }
        Ok(batch.commit()?)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) | Error::Storage(LsmError::Io(error)) => error.into(),
            Error::Locked => Self::Disk(io::Error::new(io::ErrorKind::WouldBlock, "it is open elsewhere")),
            Error::Poisoned => Self::Disk(io::Error::other("a write before this one failed")),
            error => Self::Damage(error.to_string()),
        }
    }
}
