//! The writer thread: writes blocks as they come and flushes every log now and then.

use super::log::Log;
use super::{Command, Config, Counters, Event};
use crate::FileError;
use catenary_platform::Wait;
use crossbeam_channel::Receiver;
use std::ops::ControlFlow;
use std::sync::Arc;
use tokio::time::Instant;

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

    /// Deals with one command, and flushes when it is time.
    pub(super) fn turn(&mut self, wait: Wait, queue: &Receiver<Command>) -> ControlFlow<()> {
        match wait.next_until(queue, self.flush_due) {
            ControlFlow::Continue(Some(Command::Append { log, block, certificate })) => {
                self.append(log, &block, &certificate);
            }
            ControlFlow::Continue(Some(Command::Flush { done })) => {
                self.flush();
                // Nobody waits any more: nothing to say.
                let _ = done.send(());
            }
            ControlFlow::Continue(None) => {}
            ControlFlow::Continue(Some(Command::Close)) | ControlFlow::Break(()) => {
                self.flush();
                return ControlFlow::Break(());
            }
        }
        if self.flush_due.is_some_and(|due| due <= Instant::now()) {
            self.flush();
        }
        ControlFlow::Continue(())
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
