//! The journal on disk: one thread per node with group commit.
//!
//! ```text
//! chain ──┐                      ┌─ one write ─ one flush ─┐
//! chain ──┼─> bounded queue ──> writer thread ─────────────┴─> completions, in order of the appends
//! chain ──┘                      (whatever queued up meanwhile becomes one batch)
//! ```
//!
//! While the disk flushes one batch the next one gathers, so the number of flushes follows the disk, not the
//! number of chains. Most records need no flush of their own: see [`Urgency`]. When the queue is full, [`Journal::try_append`] hands the records back and
//! [`Journal::append`] waits.
//!
//! An error of the disk is final. The kernel may have dropped pages of every chain, so a later success would prove
//! nothing: everything after it fails with the same error, and the node must stop.

mod open;
#[cfg(test)]
mod tests;
mod writer;

pub use open::read;

use crate::FileError;
use catenary_journal::journal::{ChainTag, PAYLOAD_BYTES_MAX, Record, RecordTooLarge};
use catenary_platform::{Platform, Running};
use crossbeam_channel::{Sender, TrySendError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use thiserror::Error;

/// Runs on the writer thread once the records are flushed, or with the error once the journal has failed; then nobody
/// knows whether they are on the disk. Must not block.
pub type Completion = Box<dyn FnOnce(Result<(), JournalError>) + Send>;

/// Begins what must reach the disk together with an append, elsewhere and at the same time. Runs on the writer thread when
/// the records are about to be written, with the number of their batch (0 if there are no records); says through the sender
/// how it ended, and the append completes after that. Must not block.
pub type Beside = Box<dyn FnOnce(u64, Sender<Result<(), FileError>>) + Send>;

/// Sizes of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// A segment that has reached this size is closed and the next begins, in bytes.
    pub segment_bytes: u64,
    /// A batch that has reached this size is written without waiting for more, in bytes.
    pub batch_bytes: usize,
    /// Appends that may wait for the disk.
    pub queue_appends: usize,
    /// How long records that nobody waits for wait for company.
    pub patience: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            batch_bytes: 8 << 20,
            queue_appends: 4096,
            patience: Duration::from_millis(20),
        }
    }
}

/// Whether somebody waits for an append.
///
/// A flush that begins for what nobody waits for makes the next one wait, which somebody does: what a validator receives
/// would cost it a flush before each of its own votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Somebody does: it is written at once.
    AtOnce,
    /// Nobody does: it is written with the next append that somebody waits for, after [`Config::patience`] at the latest.
    Later,
}

/// Why the journal takes no more records. Final.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JournalError {
    /// A write or flush failed; everything after it fails with the same error.
    #[error(transparent)]
    File(#[from] FileError),
    /// The writer was shut down.
    #[error("the journal is closed")]
    Closed,
    /// A completion panicked, so it is not known what the rest of the node believes.
    #[error("a completion of the journal panicked")]
    CompletionPanicked,
}

impl JournalError {
    /// Whether freeing space on the disk would help.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::File(error) if error.is_disk_full())
    }
}

/// Why an append was not queued.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RefusedReason {
    /// The queue is full; try again once a completion has run.
    #[error("the journal's queue is full")]
    Busy,
    /// A record can never be written.
    #[error(transparent)]
    TooLarge(#[from] RecordTooLarge),
    /// The journal takes no more records.
    #[error(transparent)]
    Failed(#[from] JournalError),
}

/// An append that was not queued, with everything the caller gave.
pub struct Refused {
    /// Why.
    pub reason: RefusedReason,
    /// The records.
    pub records: Vec<Record>,
    /// The completion; it has not run and will not.
    pub on_durable: Completion,
}

impl std::fmt::Debug for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Refused({}, {} records)", self.reason, self.records.len())
    }
}

/// What the writer has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Appends whose records are durable.
    pub appends: u64,
    /// Batches that carried them, each one write.
    pub batches: u64,
    /// Flushes to the disk, those of new segments included.
    pub fsyncs: u64,
    /// Bytes written.
    pub bytes: u64,
}

/// Owns the writer thread; dropping it writes what is queued and closes the journal.
#[derive(Debug)]
pub struct JournalWriter {
    journal: Journal,
    running: Option<Running>,
}

/// Appends to the journal; cheap to clone, one for every chain.
#[derive(Clone, Debug)]
pub struct Journal {
    platform: Platform,
    shared: Arc<Shared>,
    commands: Sender<Command>,
    /// Ends the writer's patience.
    hurry: Sender<()>,
}

/// What handles and writer thread both see.
#[derive(Debug, Default)]
struct Shared {
    failure: OnceLock<JournalError>,
    trims: Mutex<Trims>,
    counters: Counters,
}

/// What may be deleted.
#[derive(Clone, Debug, Default)]
struct Trims {
    flushed: BTreeMap<ChainTag, u64>,
    released: BTreeSet<u64>,
}

#[derive(Debug, Default)]
struct Counters {
    appends: AtomicU64,
    batches: AtomicU64,
    fsyncs: AtomicU64,
    bytes: AtomicU64,
}

enum Command {
    Append {
        urgency: Urgency,
        records: Vec<Record>,
        beside: Option<Beside>,
        on_durable: Completion,
    },
    /// Trims changed.
    Trim,
    Close,
}

impl JournalWriter {
    /// A handle to append with.
    pub fn journal(&self) -> Journal {
        self.journal.clone()
    }
}

impl Drop for JournalWriter {
    fn drop(&mut self) {
        // A send fails only if the writer is gone already.
        let _ = self.journal.platform.send(&self.journal.commands, Command::Close);
        self.journal.hurry();
        self.running.take().into_iter().for_each(Running::join);
    }
}

impl Journal {
    /// Queues records, which become durable together and in this order; never waits.
    pub fn try_append(
        &self,
        urgency: Urgency,
        records: Vec<Record>,
        on_durable: Completion,
    ) -> Result<(), Refused> {
        self.queue(urgency, records, None, on_durable)
    }

    /// As [`Self::try_append`], at once, and together with something beside it.
    pub fn try_append_beside(
        &self,
        records: Vec<Record>,
        beside: Beside,
        on_durable: Completion,
    ) -> Result<(), Refused> {
        self.queue(Urgency::AtOnce, records, Some(beside), on_durable)
    }

    fn queue(
        &self,
        urgency: Urgency,
        records: Vec<Record>,
        beside: Option<Beside>,
        on_durable: Completion,
    ) -> Result<(), Refused> {
        let (records, on_durable) = self.check(records, on_durable)?;
        let command = Command::Append { urgency, records, beside, on_durable };
        self.try_send(command).map_err(|error| match error {
            TrySendError::Full(command) => self.refuse(command, RefusedReason::Busy),
            TrySendError::Disconnected(command) => self.refuse(command, self.closed()),
        })
    }

    /// Queues records, which become durable together and in this order; waits while the queue is full. Not for actors.
    pub fn append(&self, records: Vec<Record>, on_durable: Completion) -> Result<(), Refused> {
        let (records, on_durable) = self.check(records, on_durable)?;
        let urgency = Urgency::AtOnce;
        let sent = self
            .platform
            .send(&self.commands, Command::Append { urgency, records, beside: None, on_durable });
        self.hurry();
        sent.map_err(|error| self.refuse(error.0, self.closed()))
    }

    /// The chain's blocks up to `flushed_height` are flushed in its block log: its records up to there are no longer needed.
    /// Never waits. A chain that leaves the node is trimmed up to `u64::MAX`.
    pub fn trim(&self, chain: ChainTag, flushed_height: u64) {
        {
            let mut trims = self.shared.trims();
            let flushed = trims.flushed.entry(chain).or_default();
            *flushed = flushed_height.max(*flushed);
        }
        // If the queue is full the writer is about to look anyway.
        let _ = self.try_send(Command::Trim);
    }

    /// Every chain of the node has decided a height since this damaged segment was reported, so the loss of a record that nobody
    /// can name no longer matters. Until then such a segment is kept and reported at every start.
    pub fn release(&self, segment: u64) {
        self.shared.trims().released.insert(segment);
        let _ = self.try_send(Command::Trim);
    }

    /// Why the journal takes no more records, if it does not.
    pub fn failure(&self) -> Option<JournalError> {
        self.shared.failure.get().cloned()
    }

    /// What the writer has done since it was opened.
    pub fn stats(&self) -> Stats {
        let Counters { appends, batches, fsyncs, bytes } = &self.shared.counters;
        let [appends, batches, fsyncs, bytes] =
            [appends, batches, fsyncs, bytes].map(|counter| counter.load(Ordering::Relaxed));
        Stats { appends, batches, fsyncs, bytes }
    }

    /// Queues a command without waiting. Wakes the writer if somebody waits for it, or the queue fills up.
    fn try_send(&self, command: Command) -> Result<(), TrySendError<Command>> {
        let waited_for = matches!(command, Command::Append { urgency: Urgency::AtOnce, .. } | Command::Close);
        let sent = self.commands.try_send(command);
        let filling = self.commands.capacity().is_some_and(|capacity| 2 * self.commands.len() >= capacity);
        if waited_for || filling {
            self.hurry();
        }
        sent
    }

    fn hurry(&self) {
        // Once is enough, and a writer that is gone needs no hurry.
        let _ = self.hurry.try_send(());
    }

    fn check(
        &self,
        records: Vec<Record>,
        on_durable: Completion,
    ) -> Result<(Vec<Record>, Completion), Refused> {
        let too_large =
            records.iter().map(|record| record.payload.len()).find(|&len| len > PAYLOAD_BYTES_MAX);
        let reason = if let Some(actual) = too_large {
            RecordTooLarge { actual, max: PAYLOAD_BYTES_MAX }.into()
        } else if let Some(failure) = self.failure() {
            failure.into()
        } else {
            return Ok((records, on_durable));
        };
        Err(Refused { reason, records, on_durable })
    }

    fn refuse(&self, command: Command, reason: RefusedReason) -> Refused {
        match command {
            Command::Append { records, on_durable, .. } => Refused { reason, records, on_durable },
            Command::Trim | Command::Close => unreachable!("only appends are refused"),
        }
    }

    fn closed(&self) -> RefusedReason {
        self.failure().unwrap_or(JournalError::Closed).into()
    }
}

impl Shared {
    fn trims(&self) -> MutexGuard<'_, Trims> {
        // Every change under the lock is a single insertion, so a panicking holder leaves it whole.
        self.trims.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counters {
    fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}
