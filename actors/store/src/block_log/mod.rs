//! The block logs on disk: one thread per node writes and flushes all of them behind the decisions.
//!
//! ```text
//! chain ──> append ──> bounded queue ──> writer thread ──> files of that chain
//!                                          every flush interval: flush what was written, report the heights
//! ```
//!
//! The journal holds what is not flushed yet, so nothing waits for a block log; its owner trims the journal when
//! [`Event::Flushed`] says how far a log has come. An error of a log is final and stops that chain only.

mod copy;
mod log;
mod open;
#[cfg(test)]
mod tests;
mod writer;

pub use copy::{CopyError, CopyReader, CopyWriter};

use crate::{FileError, threads};
use catenary_journal::block_log::{Cause, Entry, PartTooLarge};
use catenary_journal::journal::ChainTag;
use catenary_platform::{Platform, Running};
use crossbeam_channel::{Sender, TrySendError};
use log::Log;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use thiserror::Error;

/// Sizes and times of the block logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// A segment that has reached this size is closed and the next begins, in bytes.
    pub segment_bytes: u64,
    /// Longest time between writing a block and flushing it.
    pub flush_interval: Duration,
    /// Blocks that may wait for the disk.
    pub queue_blocks: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20, flush_interval: Duration::from_millis(500), queue_blocks: 256 }
    }
}

/// What the writer thread tells its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Every block of the chain up to this height is on the disk.
    Flushed {
        /// The chain.
        chain: ChainTag,
        /// The height.
        height: u64,
    },
    /// The chain's log takes no more blocks; the chain must stop.
    Failed {
        /// The chain.
        chain: ChainTag,
        /// Why.
        error: BlockLogError,
    },
}

/// Why a block log takes no more blocks. Final.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BlockLogError {
    /// A write or flush failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The end of the log is damaged, so that height and chain hash to go on from are unknown.
    #[error("the end of the block log is damaged")]
    EndUnknown,
    /// The writer was shut down.
    #[error("the block log writer is closed")]
    Closed,
}

/// Why a block was not queued.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RefusedReason {
    /// The queue is full; try again later.
    #[error("the block log's queue is full")]
    Busy,
    /// Not the next height.
    #[error("block log expects height {expected}, not {actual}")]
    Height {
        /// The next height.
        expected: u64,
        /// The one given.
        actual: u64,
    },
    /// The block can never be written.
    #[error(transparent)]
    TooLarge(#[from] PartTooLarge),
    /// The log takes no more blocks.
    #[error(transparent)]
    Failed(#[from] BlockLogError),
}

/// A block that was not queued, given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub reason: RefusedReason,
    /// The block.
    pub block: Vec<u8>,
    /// Its certificate.
    pub certificate: Vec<u8>,
}

/// A block cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// The bytes on the disk are not what was written.
    #[error("height {height} in {}, offset {offset}: {cause}", path.display())]
    Damaged {
        /// Height of the block.
        height: u64,
        /// File that holds it.
        path: PathBuf,
        /// Where in the file.
        offset: u64,
        /// What is wrong.
        cause: Cause,
    },
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
}

/// What the writer has done since it was started, over all logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Blocks written.
    pub blocks: u64,
    /// Flushes to the disk, those of new segments included.
    pub fsyncs: u64,
    /// Bytes written.
    pub bytes: u64,
}

/// Owns the writer thread; dropping it writes and flushes what is queued.
#[derive(Debug)]
pub struct BlockLogWriter {
    platform: Platform,
    config: Config,
    commands: Sender<Command>,
    counters: Arc<Counters>,
    running: Option<Running>,
}

/// One chain's block log; cheap to clone.
#[derive(Clone, Debug)]
pub struct BlockLog {
    platform: Platform,
    log: Arc<Log>,
    commands: Sender<Command>,
}

#[derive(Debug, Default)]
struct Counters {
    blocks: AtomicU64,
    fsyncs: AtomicU64,
    bytes: AtomicU64,
}

enum Command {
    Append { log: Arc<Log>, block: Vec<u8>, certificate: Vec<u8> },
    Flush { done: Sender<()> },
    Close,
}

impl BlockLogWriter {
    /// Starts the thread. `events` runs on it and must not block.
    pub fn start(config: Config, events: impl FnMut(Event) + Send + 'static) -> Result<Self, FileError> {
        Self::start_on(&Platform::default(), config, events)
    }

    /// As [`Self::start`], on another platform than this machine.
    pub fn start_on(
        platform: &Platform,
        config: Config,
        events: impl FnMut(Event) + Send + 'static,
    ) -> Result<Self, FileError> {
        let (commands, queue) = crossbeam_channel::bounded(config.queue_blocks.max(1));
        let counters = Arc::new(Counters::default());
        let mut writer = writer::Writer::new(config, counters.clone(), Box::new(events));
        let running = threads::start(platform, "block-log", move |wait| writer.turn(wait, &queue))?;
        Ok(Self { platform: platform.clone(), config, commands, counters, running: Some(running) })
    }

    /// Waits until everything appended so far, by anyone, is flushed or has failed.
    pub fn flush(&self) {
        let (done, wait) = crossbeam_channel::bounded(1);
        if self.platform.send(&self.commands, Command::Flush { done }).is_ok() {
            // An error means that the writer is gone; then there is nothing to wait for.
            let _ = self.platform.wait(&wait);
        }
    }

    /// What the writer has done since it was started.
    pub fn stats(&self) -> Stats {
        let Counters { blocks, fsyncs, bytes } = &*self.counters;
        let [blocks, fsyncs, bytes] = [blocks, fsyncs, bytes].map(|counter| counter.load(Ordering::Relaxed));
        Stats { blocks, fsyncs, bytes }
    }
}

impl Drop for BlockLogWriter {
    fn drop(&mut self) {
        // A send fails only if the writer is gone already.
        let _ = self.platform.send(&self.commands, Command::Close);
        self.running.take().into_iter().for_each(Running::join);
    }
}

impl BlockLog {
    /// Queues the next block; never waits.
    #[expect(clippy::result_large_err, reason = "the caller gets back what it gave")]
    pub fn try_append(&self, height: u64, block: Vec<u8>, certificate: Vec<u8>) -> Result<(), Refused> {
        self.queue(height, block, certificate, |command| {
            self.commands.try_send(command).map_err(|error| match error {
                TrySendError::Full(command) => (command, RefusedReason::Busy),
                TrySendError::Disconnected(command) => (command, BlockLogError::Closed.into()),
            })
        })
    }

    /// Queues the next block; waits while the queue is full. Not for actors.
    #[expect(clippy::result_large_err, reason = "the caller gets back what it gave")]
    pub fn append(&self, height: u64, block: Vec<u8>, certificate: Vec<u8>) -> Result<(), Refused> {
        self.queue(height, block, certificate, |command| {
            let sent = self.platform.send(&self.commands, command);
            sent.map_err(|error| (error.0, BlockLogError::Closed.into()))
        })
    }

    /// The block at `height`, verified. `None` if it was not written yet, or lies below the first; a block that was lost or is damaged is an error.
    pub fn read(&self, height: u64) -> Result<Option<Entry>, ReadError> {
        self.log.read(height)
    }

    /// The blocks from `height` on, verified one by one as they are read, up to the last one written.
    pub fn iter(&self, height: u64) -> impl Iterator<Item = Result<Entry, ReadError>> + '_ {
        (height.max(self.first_height())..).map_while(|height| self.read(height).transpose())
    }

    /// Height that the next append must have.
    pub fn next_height(&self) -> u64 {
        *self.log.next_height()
    }

    /// Height of the first block that this log has, or will have.
    pub fn first_height(&self) -> u64 {
        self.log.first_height()
    }

    /// Height of the last block written, which can be read; the one before the first if there is none.
    pub fn written_height(&self) -> u64 {
        self.log.written_height()
    }

    /// Height up to which every block is on the disk; the one before the first if there is none.
    pub fn flushed_height(&self) -> u64 {
        self.log.flushed_height()
    }

    /// Why the log takes no more blocks, if it does not.
    pub fn failure(&self) -> Option<BlockLogError> {
        self.log.failure()
    }

    fn queue(
        &self,
        height: u64,
        block: Vec<u8>,
        certificate: Vec<u8>,
        send: impl FnOnce(Command) -> Result<(), (Command, RefusedReason)>,
    ) -> Result<(), Refused> {
        // Held while sending, so that the queue has the heights in order.
        let mut next = self.log.next_height();
        if let Err(reason) = self.log.check(*next, height, &block, &certificate) {
            return Err(Refused { reason, block, certificate });
        }
        match send(Command::Append { log: self.log.clone(), block, certificate }) {
            Ok(()) => {
                *next += 1;
                Ok(())
            }
            Err((Command::Append { block, certificate, .. }, reason)) => {
                Err(Refused { reason, block, certificate })
            }
            Err((Command::Flush { .. } | Command::Close, _)) => unreachable!("an append was sent"),
        }
    }
}

impl Counters {
    fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}
