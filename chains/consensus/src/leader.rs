//! Who leads: a pure function of committed headers.
//!
//! The leader sticks. Whoever built the last block leads round 0 of the next height, so a dead validator costs one
//! failed round and not one in every n heights. Every 30 s of header time the lead moves on by one, so that no
//! validator keeps it for ever. Within a height each failed round passes the lead on.

use catenary_types::{Address, Height, Timestamp, ValidatorSet, time::NANOS_PER_SECOND};

/// The lead moves on when the times of two consecutive headers fall into different intervals of this length.
pub const INTERVAL_SECONDS: u64 = 30;

/// What the block before says about the lead.
#[derive(Clone, Copy, Debug)]
pub struct Previous<'a> {
    /// The set that signed it.
    pub validators: &'a ValidatorSet,
    /// Who built it.
    pub proposer: Address,
    /// Its header's time.
    pub time: Timestamp,
    /// The time of the header before it; the genesis time for block 1.
    pub time_before: Timestamp,
}

/// Index in `validators`, the set of `height`, of the leader of round 0. `previous` is none at height 1 only.
pub fn of_height(height: Height, validators: &ValidatorSet, previous: Option<Previous<'_>>) -> usize {
    let Some(previous) = previous else { return 0 };
    let size = validators.validators().len();
    let kept = validators.index_of(&previous.proposer);
    let left = || previous.validators.index_of(&previous.proposer).unwrap_or(0) % size;
    let index = kept.unwrap_or_else(left);
    let interval = |time: Timestamp| time.0 / (INTERVAL_SECONDS * NANOS_PER_SECOND);
    let moves_on = height >= Height(3) && interval(previous.time_before) != interval(previous.time);
    (index + usize::from(moves_on)) % size
}

/// Index of the leader of `round`, given that of round 0 and the size of the set.
pub fn of_round(first: usize, round: u32, size: usize) -> usize {
    // Reduced before adding, so that no round can overflow the sum.
    (first % size + round as usize % size) % size
}

#[cfg(test)]
mod tests {
    use super::*;
    use catenary_crypto::{PublicKey, SigningKey};
    use catenary_types::Validator;

    fn keys(n: u8) -> Vec<PublicKey> {
        (1..=n).map(|seed| SigningKey::from_seed(&[seed; 32]).public_key()).collect()
    }

    fn set(keys: &[PublicKey]) -> ValidatorSet {
        let members = keys.iter().map(|key| Validator { public_key: *key, power: 1 });
        ValidatorSet::new(members.collect()).unwrap()
    }

    fn seconds(seconds: u64) -> Timestamp {
        Timestamp(seconds * NANOS_PER_SECOND)
    }

    #[test]
    fn the_last_builder_leads_again() {
        let set = set(&keys(4));
        for (index, proposer) in set.addresses().iter().enumerate() {
            let previous = Previous {
                validators: &set,
                proposer: *proposer,
                time: seconds(59),
                time_before: seconds(30),
            };
            assert_eq!(of_height(Height(9), &set, Some(previous)), index);
        }
        assert_eq!(of_height(Height(1), &set, None), 0);
    }

    #[test]
    fn crossing_an_interval_moves_the_lead_by_one_from_height_3_on() {
        let set = set(&keys(4));
        let crossing = |height, time_before, time| {
            let proposer = set.addresses()[3];
            of_height(Height(height), &set, Some(Previous { validators: &set, proposer, time, time_before }))
        };
        assert_eq!(crossing(3, seconds(29), seconds(30)), 0);
        assert_eq!(crossing(3, seconds(30), seconds(31)), 3);
        assert_eq!(crossing(3, seconds(1), seconds(1_000)), 0, "once, however many intervals passed");
        assert_eq!(crossing(2, seconds(29), seconds(30)), 3, "genesis time moves nothing");
    }

    #[test]
    fn a_removed_leader_hands_over_by_index() {
        let keys = keys(5);
        let before = set(&keys);
        for (index, proposer) in before.addresses().iter().enumerate() {
            let rest: Vec<_> = keys.iter().filter(|key| Address::of(key) != *proposer).copied().collect();
            let after = set(&rest);
            let previous = Previous {
                validators: &before,
                proposer: *proposer,
                time: seconds(1),
                time_before: seconds(0),
            };
            assert_eq!(of_height(Height(7), &after, Some(previous)), index % 4);
        }
    }

    #[test]
    fn rounds_pass_the_lead_on_without_overflow() {
        let order: Vec<_> = (0..5).map(|round| of_round(2, round, 4)).collect();
        assert_eq!(order, [2, 3, 0, 1, 2]);
        assert_eq!(of_round(usize::MAX, u32::MAX, 3), (usize::MAX % 3 + u32::MAX as usize % 3) % 3);
    }
}
