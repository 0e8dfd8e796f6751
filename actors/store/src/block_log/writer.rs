//! The writer thread: writes blocks as they come and flushes every log now and then.

use super::log::Log;
use super::{Command, Config, Counters, Event};
use crate::FileError;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::sync::Arc;
use std::time::Instant;

/// Whether a flush moved the flushed height.
pub(super) enum Progress {
    Nothing,
    Flushed(u64),
}

pub(super) struct Writer {
    config: Config,
    counters: Arc<Counters>,
    events: Box<dyn FnMut(Event) + Send>,
    /// Logs written to since the last flush.
    dirty: Vec<Arc<Log>>,
    flush_due: Option<Instant>,
}

impl Writer {
    pub(super) fn new(config: Config, counters: Arc<Counters>, events: Box<dyn FnMut(Event) + Send>) -> Self {
        Self { config, counters, events, dirty: Vec::new(), flush_due: None }
    }

    pub(super) fn run(mut self, queue: &Receiver<Command>) {
        loop {
            let received = match self.flush_due {
                Some(due) => queue.recv_deadline(due),
                None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match received {
                Ok(Command::Append { log, block, certificate }) => self.append(log, &block, &certificate),
                Ok(Command::Flush { done }) => {
                    self.flush();
                    // Nobody waits any more: nothing to say.
                    let _ = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => self.flush(),
                Ok(Command::Close) | Err(RecvTimeoutError::Disconnected) => return self.flush(),
            }
            // A busy queue never times out.
            if self.flush_due.is_some_and(|due| due <= Instant::now()) {
                self.flush();
            }
        }
    }

    fn append(&mut self, log: Arc<Log>, block: &[u8], certificate: &[u8]) {
        if log.failure().is_some() {
            return;
        }
        if let Err(error) = log.write(block, certificate, &self.counters) {
            return self.fail(&log, error);
        }
        if !self.dirty.iter().any(|dirty| Arc::ptr_eq(dirty, &log)) {
            self.dirty.push(log);
        }
        self.flush_due.get_or_insert_with(|| Instant::now() + self.config.flush_interval);
    }

    fn flush(&mut self) {
        self.flush_due = None;
        for log in std::mem::take(&mut self.dirty) {
            if log.failure().is_some() {
                continue;
            }
            match log.flush(&self.counters) {
                Ok(Progress::Flushed(height)) => {
                    (self.events)(Event::Flushed { chain: log.chain(), height });
                }
                Ok(Progress::Nothing) => {}
                Err(error) => self.fail(&log, error),
            }
        }
    }

    fn fail(&mut self, log: &Log, error: FileError) {
        log.fail(error.clone().into());
        (self.events)(Event::Failed { chain: log.chain(), error: error.into() });
    }
}
