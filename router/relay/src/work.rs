//! How one kind of work goes: how many calls are under way, how large they may be, and when to try again.

use crate::limits::{CALL_PACKETS_MAX, backoff_ms};
use catenary_types::Timestamp;

/// One kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Work {
    /// Calls under way.
    pub(crate) jobs: usize,
    jobs_max: usize,
    /// Packets in the next call at most. Halved while calls fail as a whole, so that what makes them fail ends up in a
    /// call of its own.
    pub(crate) batch: usize,
    attempts: u32,
    pub(crate) retry_at: Timestamp,
}

impl Work {
    pub(crate) fn new(jobs_max: usize) -> Self {
        Self { jobs: 0, jobs_max, batch: CALL_PACKETS_MAX, attempts: 0, retry_at: Timestamp(0) }
    }

    /// Whether another call may start.
    pub(crate) fn is_open(&self, now: Timestamp) -> bool {
        self.jobs < self.jobs_max && self.retry_at <= now
    }

    pub(crate) fn succeeded(&mut self) {
        self.attempts = 0;
        self.batch = (self.batch * 2).min(CALL_PACKETS_MAX);
    }

    /// The chain or the client would not take anything now.
    pub(crate) fn back_off(&mut self, now: Timestamp) {
        self.retry_at = now.plus_ms(backoff_ms(self.attempts));
        self.attempts = self.attempts.saturating_add(1);
    }

    /// A call of this many packets failed as a whole for the sake of some of them.
    pub(crate) fn split(&mut self, now: Timestamp, packets: usize) {
        self.batch = (packets / 2).max(1);
        self.retry_at = now.plus_ms(backoff_ms(0));
    }
}
