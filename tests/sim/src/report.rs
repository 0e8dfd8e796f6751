//! What a run did: how often each fault really happened, and a trace whose digest says whether two runs were the same.

use catenary_crypto::{Hash, sha256_parts};
use catenary_types::Timestamp;
use std::{collections::BTreeMap, fmt};

/// Of one run, or of several.
#[derive(Clone, Debug, Default)]
pub struct Report {
    traced: bool,
    digest: Hash,
    counts: BTreeMap<&'static str, u64>,
    /// Events of the schedule.
    pub events: u64,
    /// Messages between nodes.
    pub messages: u64,
    /// Final blocks, each counted on every node.
    pub blocks: u64,
}

impl Report {
    /// An empty report; `traced` prints what happens.
    pub fn new(traced: bool) -> Self {
        Self { traced, ..Self::default() }
    }

    /// Counts something.
    pub fn count(&mut self, what: &'static str) {
        self.count_many(what, 1);
    }

    /// Counts something, so many times.
    pub fn count_many(&mut self, what: &'static str, times: u64) {
        *self.counts.entry(what).or_default() += times;
    }

    /// Counts each of them.
    pub fn count_all(&mut self, what: impl Iterator<Item = &'static str>) {
        what.for_each(|what| self.count(what));
    }

    /// A line of the trace.
    pub fn line(&mut self, now: Timestamp, line: impl FnOnce() -> String) {
        let line = format!("{:>16.6} {}", seconds(now), line());
        self.digest = sha256_parts(&[self.digest.as_bytes(), line.as_bytes()]);
        if self.traced {
            println!("{line}");
        }
    }

    /// Digest of all lines.
    pub fn digest(&self) -> Hash {
        self.digest
    }

    /// How often something was counted.
    pub fn counted(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or_default()
    }

    /// Adds another run.
    pub fn add(&mut self, other: &Self) {
        other.counts.iter().for_each(|(what, times)| self.count_many(what, *times));
        self.events += other.events;
        self.messages += other.messages;
        self.blocks += other.blocks;
        self.digest = sha256_parts(&[self.digest.as_bytes(), other.digest.as_bytes()]);
    }
}

#[expect(clippy::float_arithmetic, reason = "a figure for people, read by no rule")]
fn seconds(now: Timestamp) -> f64 {
    (now.0 - crate::setup::START.start().0) as f64 / 1e9
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>12} events", self.events)?;
        writeln!(f, "{:>12} messages", self.messages)?;
        writeln!(f, "{:>12} final blocks, each on every node", self.blocks)?;
        for (what, times) in &self.counts {
            writeln!(f, "{times:>12} {what}")?;
        }
        write!(f, "digest {}", self.digest)
    }
}
