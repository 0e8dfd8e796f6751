//! The engine's timers: at most one per step and round, with times that grow by round.
//!
//! Timers of the engine carry no height, so each height has its own set. A height at which nothing is to be done sleeps:
//! its timers stand still, and start anew when it wakes.

use crate::engine::types::{Round, Timeout, TimeoutKind};
use catenary_types::Timestamp;

/// How long each step waits in round 0 and how much longer per round, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the leader's proposal, before prevoting nil.
    pub propose_ms: u64,
    /// For a quorum of prevotes for one value, once two thirds prevoted anything.
    pub prevote_ms: u64,
    /// For a quorum of precommits for one value, once two thirds precommitted anything.
    pub precommit_ms: u64,
    /// What each of the three grows by with every round.
    pub round_delta_ms: u64,
    /// Pause before own votes of the round are sent again.
    pub rebroadcast_ms: u64,
    /// No wait is longer, whatever the round.
    pub limit_ms: u64,
}

impl Default for Timeouts {
    /// For links of tens of milliseconds.
    fn default() -> Self {
        Self {
            propose_ms: 1_000,
            prevote_ms: 500,
            precommit_ms: 500,
            round_delta_ms: 250,
            rebroadcast_ms: 2_000,
            limit_ms: 10_000,
        }
    }
}

impl Timeouts {
    /// How long to wait, if waits grow from that round on.
    pub(crate) fn duration_ms(&self, timeout: Timeout, calm_round: u32) -> u64 {
        let first = match timeout.kind {
            TimeoutKind::Propose => self.propose_ms,
            TimeoutKind::Prevote => self.prevote_ms,
            TimeoutKind::Precommit => self.precommit_ms,
            TimeoutKind::Rebroadcast => self.rebroadcast_ms,
            // Only scheduled with a target time, which is never given.
            TimeoutKind::FinalizeHeight(_) => 0,
        };
        let round = u64::from(timeout.round.as_u32().unwrap_or(0).saturating_sub(calm_round));
        first.saturating_add(self.round_delta_ms.saturating_mul(round)).min(self.limit_ms)
    }
}

/// Timers that run, few enough for a list.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    running: Vec<(Timestamp, Timeout)>,
}

impl Timers {
    /// Starts a timer, or starts it anew.
    pub(crate) fn start(&mut self, timeout: Timeout, deadline: Timestamp) {
        self.cancel(timeout);
        self.running.push((deadline, timeout));
    }

    pub(crate) fn cancel(&mut self, timeout: Timeout) {
        self.running.retain(|(_, running)| *running != timeout);
    }

    pub(crate) fn clear(&mut self) {
        self.running.clear();
    }

    /// Starts all of them anew.
    pub(crate) fn restart(&mut self, now: Timestamp, timeouts: &Timeouts, calm_round: u32) {
        for (deadline, timeout) in &mut self.running {
            *deadline = now.plus_ms(timeouts.duration_ms(*timeout, calm_round));
        }
    }

    /// When the first one ends.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.running.iter().map(|(deadline, _)| *deadline).min()
    }

    /// Takes the earliest of those that ended; of equal ones the first started.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<Timeout> {
        let deadline = self.deadline().filter(|deadline| *deadline <= now)?;
        let index = self.running.iter().position(|(running, _)| *running == deadline)?;
        Some(self.running.remove(index).1)
    }

    /// Whether all running timers are of this round.
    pub(crate) fn all_of_round(&self, round: Round) -> bool {
        self.running.iter().all(|(_, timeout)| timeout.round == round)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_by_round_up_to_the_limit() {
        let timeouts = Timeouts { propose_ms: 100, round_delta_ms: 50, limit_ms: 400, ..Timeouts::default() };
        let propose = |round, calm| timeouts.duration_ms(Timeout::propose(Round::new(round)), calm);
        assert_eq!([propose(0, 0), propose(1, 0), propose(6, 0), propose(u32::MAX, 0)], [100, 150, 400, 400]);
        assert_eq!(
            [propose(6, 6), propose(7, 6), propose(5, 6)],
            [100, 150, 100],
            "they grow from a round on"
        );
    }

    #[test]
    fn timers_end_in_order_and_once() {
        let mut timers = Timers::default();
        let [propose, prevote] = [Timeout::propose(Round::ZERO), Timeout::prevote(Round::ZERO)];
        timers.start(prevote, Timestamp(20));
        timers.start(propose, Timestamp(10));
        timers.start(prevote, Timestamp(30));
        assert_eq!(timers.deadline(), Some(Timestamp(10)));
        assert_eq!(timers.take_due(Timestamp(9)), None);
        assert_eq!(timers.take_due(Timestamp(40)), Some(propose));
        assert_eq!(timers.take_due(Timestamp(40)), Some(prevote));
        assert_eq!(timers.take_due(Timestamp(40)), None);
    }
}
