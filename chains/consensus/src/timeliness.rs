//! Which values this node accepts: facts from the host, timeliness from here.
//!
//! The host judges facts (is the block valid?). This module adds whether the header's time was near this node's clock
//! when the proposal came in, so that no leader can stop or rush the clock that deadlines depend on:
//!
//! ```text
//! time - p  <=  arrival  <=  time + p + d * 1.1^round
//! ```
//!
//! with arrival the clock when the first signed proposal without POL round for the value came in. The engine knows one
//! verdict per value, over all rounds, and lets it change from invalid to valid only. So an untimely value is
//! *withheld*: fed as invalid, and fed again as valid as soon as a quorum of prevotes or precommits, or a certificate,
//! shows that others found it timely.
//!
//! ```text
//!            facts invalid
//!   waiting ───────────────▶ Invalid
//!    │  │  facts valid, not timely or not by its builder      quorum seen
//!    │  └───────────────▶ Withheld ───────────────────────────────▶ Valid
//!    └────────────────────────────────────────────────────────────▶ Valid
//!        facts valid and: timely, or first seen with POL, or a quorum, or from sync
//! ```
//!
//! A proposal without POL round offers a new value, so its proposer must be the header's; else the value is withheld,
//! too: it may be another leader's valid block, offered by a thief.

use crate::message::{Proposal, ValueId};
use catenary_mutant::{Mutant, is_active};
use catenary_types::{Address, Timestamp};
use std::collections::BTreeMap;

/// The parameters p and d of the rule. On-chain, so that all nodes use the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimelinessParameters {
    /// p: how far two honest clocks may be apart.
    pub precision_ms: u64,
    /// d: how long a proposal may travel in round 0; grows by a tenth each round.
    pub delay_ms: u64,
}

impl Default for TimelinessParameters {
    /// Half a second and four seconds.
    fn default() -> Self {
        Self { precision_ms: 500, delay_ms: 4_000 }
    }
}

/// The delay no longer grows from this round on: it is then ten times d.
pub const DELAY_ROUND_MAX: u32 = 24;

/// Values judged by the host that wait for their proposal; more, and the one with the oldest header goes.
pub const WAITING_MAX: usize = 32;

/// Whether a value of this time, proposed in this round, came in near enough to it.
pub fn is_timely(time: Timestamp, arrival: Timestamp, round: u32, parameters: &TimelinessParameters) -> bool {
    let precision = u128::from(parameters.precision_ms) * 1_000_000;
    let (time, arrival) = (u128::from(time.0), u128::from(arrival.0));
    let earliest = time.saturating_sub(precision);
    let latest = time + precision + delay_nanos(parameters.delay_ms, round);
    (earliest..=latest).contains(&arrival) || is_active(Mutant::TimeNotJudged)
}

/// d * 1.1^round in nanoseconds, rounded down once, at the end.
fn delay_nanos(delay_ms: u64, round: u32) -> u128 {
    let round = round.min(DELAY_ROUND_MAX);
    // 11^24 takes 84 bits and a delay in milliseconds up to 44 more: d is cut to 500 years.
    let delay_ms = u128::from(delay_ms.min(1 << 44));
    delay_ms * 11u128.pow(round) / 10u128.pow(round) * 1_000_000
}

/// What the engine was told about a value, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Fed as valid.
    Valid,
    /// Fed as invalid: the block is.
    Invalid,
    /// Fed as invalid: untimely, or offered as new by someone who did not build it. A quorum overrules this.
    Withheld,
}

/// The first proposal seen for a value.
#[derive(Clone, Copy, Debug)]
struct First {
    round: u32,
    with_pol: bool,
    proposer: Address,
    arrival: Timestamp,
}

/// What the host said.
#[derive(Clone, Copy, Debug)]
struct Facts {
    builder: Address,
    valid: bool,
}

#[derive(Debug, Default)]
struct Tracked {
    first: Option<First>,
    facts: Option<Facts>,
    judgement: Option<Judgement>,
}

/// The values of one height.
#[derive(Debug)]
pub(crate) struct Values {
    parameters: TimelinessParameters,
    values: BTreeMap<ValueId, Tracked>,
}

impl Values {
    pub(crate) fn new(parameters: TimelinessParameters) -> Self {
        Self { parameters, values: BTreeMap::new() }
    }

    /// Whether a proposal may go to the engine at all. One without POL round may not if it repeats a value of an earlier
    /// round, or offers one that someone else is known to have built.
    pub(crate) fn admits(&self, proposal: &Proposal) -> bool {
        let Some(tracked) = self.values.get(&proposal.value) else { return true };
        let repeats = tracked.first.is_some_and(|first| first.round < proposal.round);
        let stolen = tracked.facts.is_some_and(|facts| facts.builder != proposal.proposer);
        proposal.pol_round.is_some() || !(repeats || stolen)
    }

    /// Notes a signed proposal that the engine stored.
    pub(crate) fn observe(&mut self, proposal: &Proposal, arrival: Timestamp) {
        let tracked = self.values.entry(proposal.value).or_default();
        tracked.first.get_or_insert(First {
            round: proposal.round,
            with_pol: proposal.pol_round.is_some(),
            proposer: proposal.proposer,
            arrival,
        });
    }

    /// Notes the host's verdict; the first one counts.
    pub(crate) fn learn(&mut self, value: ValueId, builder: Address, valid: bool) {
        let waiting = |tracked: &Tracked| tracked.first.is_none() && tracked.judgement.is_none();
        let mut waiting_ids = self.values.iter().filter(|(_, tracked)| waiting(tracked)).map(|(id, _)| *id);
        let oldest = waiting_ids.by_ref().min_by_key(|id| id.time);
        let waiting_count = self.values.values().filter(|tracked| waiting(tracked)).count();
        if let Some(oldest) = oldest.filter(|_| waiting_count >= WAITING_MAX) {
            self.values.remove(&oldest);
        }
        self.values.entry(value).or_default().facts.get_or_insert(Facts { builder, valid });
    }

    /// Judges a value as far as that can be done now. Gives a judgement only when it is new or better than the one given
    /// before, together with builder and round for the engine.
    pub(crate) fn judge(&mut self, value: &ValueId, quorum: bool) -> Option<(Judgement, Address, u32)> {
        let tracked = self.values.get_mut(value)?;
        let (first, facts) = (tracked.first?, tracked.facts?);
        let quorum = quorum && !is_active(Mutant::UntimelyNeverLifted);
        let new = !first.with_pol && !quorum;
        let timely = is_timely(value.time, first.arrival, first.round, &self.parameters);
        let accepted = !new || (timely && first.proposer == facts.builder);
        let judgement = match (facts.valid, accepted) {
            (false, _) => Judgement::Invalid,
            (true, true) => Judgement::Valid,
            (true, false) => Judgement::Withheld,
        };
        let better = match tracked.judgement {
            None => true,
            Some(Judgement::Withheld) => judgement == Judgement::Valid,
            Some(Judgement::Valid | Judgement::Invalid) => false,
        };
        if !better {
            return None;
        }
        tracked.judgement = Some(judgement);
        Some((judgement, facts.builder, first.round))
    }

    /// Notes a judgement that did not come from [`Values::judge`]: an own block, a value from sync, or one of a replayed
    /// journal.
    pub(crate) fn record(&mut self, value: ValueId, builder: Address, judgement: Judgement) {
        let tracked = self.values.entry(value).or_default();
        tracked.judgement = Some(judgement);
        tracked.facts.get_or_insert(Facts { builder, valid: judgement != Judgement::Invalid });
    }

    /// What was last said about a value.
    pub(crate) fn judgement(&self, value: &ValueId) -> Option<Judgement> {
        self.values.get(value)?.judgement
    }

    /// Whether the value is known and came in with any proposal before.
    pub(crate) fn was_proposed(&self, value: &ValueId) -> bool {
        self.values.get(value).is_some_and(|tracked| tracked.first.is_some())
    }

    /// The round of the first proposal of a value.
    pub(crate) fn first_round(&self, value: &ValueId) -> Option<u32> {
        Some(self.values.get(value)?.first?.round)
    }

    /// Values that can be judged, or judged better.
    pub(crate) fn open(&self) -> Vec<ValueId> {
        let open = |tracked: &Tracked| {
            let undecided = matches!(tracked.judgement, None | Some(Judgement::Withheld));
            undecided && tracked.first.is_some() && tracked.facts.is_some()
        };
        self.values.iter().filter(|(_, tracked)| open(tracked)).map(|(value, _)| *value).collect()
    }

    /// Values with that judgement.
    pub(crate) fn judged(&self, judgement: Judgement) -> Vec<ValueId> {
        let with = self.values.iter().filter(|(_, tracked)| tracked.judgement == Some(judgement));
        with.map(|(value, _)| *value).collect()
    }

    /// Values that the host judged and that have no proposal yet.
    pub(crate) fn waiting(&self) -> usize {
        let waiting = |tracked: &&Tracked| tracked.first.is_none() && tracked.judgement.is_none();
        self.values.values().filter(waiting).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use catenary_crypto::sha256;
    use catenary_types::Height;

    const SECOND: u64 = 1_000_000_000;
    const BUILDER: Address = Address([1; 20]);

    fn value(time: u64) -> ValueId {
        ValueId { block: sha256(&time.to_be_bytes()), time: Timestamp(time) }
    }

    fn proposal(value: ValueId, round: u32, pol_round: Option<u32>) -> Proposal {
        Proposal { height: Height(1), round, pol_round, value, proposer: BUILDER }
    }

    fn values() -> Values {
        Values::new(TimelinessParameters::default())
    }

    fn judge(values: &mut Values, value: &ValueId, quorum: bool) -> Option<Judgement> {
        values.judge(value, quorum).map(|(judgement, ..)| judgement)
    }

    #[test]
    fn the_window_closes_to_the_nanosecond() {
        let timely = |arrival, round| {
            is_timely(Timestamp(100 * SECOND), Timestamp(arrival), round, &TimelinessParameters::default())
        };
        let (earliest, latest) = (99_500_000_000, 104_500_000_000);
        assert_eq!(
            [earliest - 1, earliest, latest, latest + 1].map(|at| timely(at, 0)),
            [false, true, true, false]
        );
        // d * 1.1 and d * 1.21 in rounds 1 and 2.
        let (one, two) = (latest + 400_000_000, latest + 840_000_000);
        assert_eq!(
            [timely(one, 1), timely(one + 1, 1), timely(two, 2), timely(two + 1, 2)],
            [true, false, true, false]
        );
        assert!(!timely(earliest - 1, 99), "only lateness is forgiven with rounds");
    }

    #[test]
    fn the_delay_stops_growing_and_never_overflows() {
        assert_eq!(delay_nanos(4_000, 24), delay_nanos(4_000, u32::MAX));
        assert!(delay_nanos(4_000, 23) < delay_nanos(4_000, 24));
        assert!(delay_nanos(u64::MAX, u32::MAX) > 0);
        assert!(is_timely(
            Timestamp(u64::MAX),
            Timestamp(u64::MAX),
            u32::MAX,
            &TimelinessParameters::default()
        ));
    }

    #[test]
    fn a_value_waits_for_its_proposal() {
        let (mut values, value) = (values(), value(10 * SECOND));
        values.learn(value, BUILDER, true);
        assert_eq!(judge(&mut values, &value, false), None);
        values.observe(&proposal(value, 0, None), Timestamp(10 * SECOND));
        assert_eq!(judge(&mut values, &value, false), Some(Judgement::Valid));
        assert_eq!(judge(&mut values, &value, true), None, "said once");
    }

    #[test]
    fn an_untimely_value_is_withheld_until_a_quorum() {
        let (mut values, value) = (values(), value(10 * SECOND));
        values.observe(&proposal(value, 0, None), Timestamp(20 * SECOND));
        values.learn(value, BUILDER, true);
        assert_eq!(judge(&mut values, &value, false), Some(Judgement::Withheld));
        assert_eq!(judge(&mut values, &value, false), None);
        assert_eq!(judge(&mut values, &value, true), Some(Judgement::Valid));
    }

    #[test]
    fn no_quorum_makes_an_invalid_block_valid() {
        let (mut values, value) = (values(), value(10 * SECOND));
        values.observe(&proposal(value, 0, None), Timestamp(10 * SECOND));
        values.learn(value, BUILDER, false);
        assert_eq!(judge(&mut values, &value, true), Some(Judgement::Invalid));
        assert_eq!(judge(&mut values, &value, true), None);
    }

    #[test]
    fn the_first_arrival_counts() {
        for (first, second, expected) in [(10, 99, Judgement::Valid), (99, 10, Judgement::Withheld)] {
            let (mut values, value) = (values(), value(10 * SECOND));
            values.observe(&proposal(value, 0, None), Timestamp(first * SECOND));
            values.observe(&proposal(value, 0, None), Timestamp(second * SECOND));
            values.learn(value, BUILDER, true);
            assert_eq!(judge(&mut values, &value, false), Some(expected));
        }
    }

    #[test]
    fn a_value_first_seen_with_pol_is_judged_on_facts() {
        let (mut values, value) = (values(), value(10 * SECOND));
        values.observe(&proposal(value, 3, Some(0)), Timestamp(99 * SECOND));
        values.learn(value, Address([9; 20]), true);
        assert_eq!(judge(&mut values, &value, false), Some(Judgement::Valid));
    }

    #[test]
    fn a_value_offered_by_a_thief_is_withheld_and_its_builders_comes_through() {
        let (mut values, value) = (values(), value(10 * SECOND));
        let stolen = Proposal { proposer: Address([2; 20]), ..proposal(value, 1, None) };
        values.observe(&stolen, Timestamp(10 * SECOND));
        values.learn(value, BUILDER, true);
        assert_eq!(judge(&mut values, &value, false), Some(Judgement::Withheld));
        assert!(!values.admits(&stolen));
        assert!(values.admits(&proposal(value, 0, None)));
        assert_eq!(judge(&mut values, &value, true), Some(Judgement::Valid));
    }

    #[test]
    fn a_value_of_an_earlier_round_needs_a_pol() {
        let (mut values, value) = (values(), value(10 * SECOND));
        values.observe(&proposal(value, 2, None), Timestamp(10 * SECOND));
        let admitted = |round, pol| values.admits(&proposal(value, round, pol));
        assert_eq!([admitted(1, None), admitted(2, None), admitted(3, None)], [true, true, false]);
        assert!(admitted(3, Some(2)));
    }

    #[test]
    fn values_without_proposal_are_bounded() {
        let mut values = values();
        for time in 0..100 {
            values.learn(value(time), BUILDER, true);
            assert!(values.waiting() <= WAITING_MAX);
        }
        values.observe(&proposal(value(99), 0, None), Timestamp(99));
        assert_eq!(judge(&mut values, &value(99), false), Some(Judgement::Valid));
    }
}
