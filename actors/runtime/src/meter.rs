//! What a chain has done on this node since the process started, counted by the shell from inputs and effects of its machine.
//!
//! A meter outlives stops and restarts of its chain, so that its numbers only grow.

use catenary_relay::gateway::{RefusalReason, SubmitOutcome};
use catenary_replica::{Effect, Input, PeerMessage};
use std::sync::atomic::{AtomicU64, Ordering};

/// The counters of one chain, added to by its actors.
#[derive(Debug, Default)]
pub(crate) struct ChainMeter {
    blocks: AtomicU64,
    transactions: AtomicU64,
    failed: AtomicU64,
    rounds: AtomicU64,
    accepted: AtomicU64,
    known: AtomicU64,
    refused: [AtomicU64; RefusalReason::ALL.len()],
    fetched: AtomicU64,
    served: AtomicU64,
    rejected: AtomicU64,
}

/// What a chain has done on this node since the process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChainStats {
    /// Blocks that became final, those that were fetched among them.
    pub blocks: u64,
    /// Transactions in them.
    pub transactions: u64,
    /// Of those, the ones whose receipt says that they failed.
    pub failed: u64,
    /// Rounds above 0 that these blocks took.
    pub rounds: u64,
    /// Submitted envelopes that were taken.
    pub accepted: u64,
    /// Submitted envelopes that were known.
    pub known: u64,
    /// Submitted envelopes that were refused, in the order of [`RefusalReason::ALL`].
    pub refused: [u64; RefusalReason::ALL.len()],
    /// Blocks that peers sent when this node was behind.
    pub fetched: u64,
    /// Blocks sent to peers that were behind.
    pub served: u64,
    /// Proposed blocks that were invalid here.
    pub rejected: u64,
}

impl ChainMeter {
    /// Counts what an input brings.
    pub(crate) fn input(&self, input: &Input) {
        if let Input::Peer { message: PeerMessage::Blocks(blocks), .. } = input {
            add(&self.fetched, blocks.len());
        }
    }

    /// Counts what an effect does.
    pub(crate) fn effect(&self, effect: &Effect) {
        match effect {
            Effect::Committed(committed) => {
                let executed = &committed.executed;
                add(&self.blocks, 1);
                add(&self.transactions, executed.receipts.len());
                add(&self.failed, executed.receipts.iter().filter(|receipt| !receipt.succeeded()).count());
                add(&self.rounds, executed.certificate().round as usize);
            }
            Effect::Reply { outcomes, .. } => self.outcomes(outcomes),
            Effect::Rejected { .. } => add(&self.rejected, 1),
            Effect::Work(_)
            | Effect::Consensus(_)
            | Effect::Send { .. }
            | Effect::Serve { .. }
            | Effect::ServeSnapshot { .. }
            | Effect::SnapshotRefused { .. }
            | Effect::Restore(_)
            | Effect::Diverged(_) => {}
        }
    }

    /// Counts what submitters are told.
    pub(crate) fn outcomes(&self, outcomes: &[SubmitOutcome]) {
        for outcome in outcomes {
            match outcome {
                SubmitOutcome::Accepted(_) => add(&self.accepted, 1),
                SubmitOutcome::Known { .. } => add(&self.known, 1),
                SubmitOutcome::Refused(refusal) => {
                    let of = RefusalReason::ALL.iter().position(|reason| *reason == refusal.reason);
                    of.into_iter().for_each(|of| add(&self.refused[of], 1));
                }
            }
        }
    }

    /// Counts blocks that go to a peer.
    pub(crate) fn served(&self, blocks: usize) {
        add(&self.served, blocks);
    }

    /// The counters now.
    pub(crate) fn stats(&self) -> ChainStats {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ChainStats {
            blocks: of(&self.blocks),
            transactions: of(&self.transactions),
            failed: of(&self.failed),
            rounds: of(&self.rounds),
            accepted: of(&self.accepted),
            known: of(&self.known),
            refused: self.refused.each_ref().map(of),
            fetched: of(&self.fetched),
            served: of(&self.served),
            rejected: of(&self.rejected),
        }
    }
}

fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(count as u64, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use catenary_relay::gateway::Refusal;

    #[test]
    fn refusals_are_counted_by_their_reason() {
        let meter = ChainMeter::default();
        let refused = |reason| SubmitOutcome::Refused(Refusal::new(reason, "as asked"));
        meter.outcomes(&[refused(RefusalReason::Busy), refused(RefusalReason::DiskFull)]);
        meter.outcomes(&[refused(RefusalReason::Busy)]);
        let counted: Vec<_> = RefusalReason::ALL.into_iter().zip(meter.stats().refused).collect();
        let counted: Vec<_> = counted.into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [(RefusalReason::Busy, 2), (RefusalReason::DiskFull, 1)]);
    }
}
