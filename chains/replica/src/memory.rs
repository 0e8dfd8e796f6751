//! Whether this node may vote: what it remembers of its own signatures, and how it goes on when it has forgotten.
//!
//! A validator that forgets what it signed is as bad as one that lies. One that lost its memory follows the others
//! without voting, asks how far they are, and votes again a few heights above: what it may have signed before it forgot
//! lies below, since it can have been at most two heights ahead of what others know to be final.

use catenary_consensus::{Mark, Peer};
use catenary_types::Height;
use std::collections::BTreeMap;

/// Heights between the newest one that others know to be final and the first vote of a validator that forgot.
const REJOIN_HEIGHTS: u64 = 3;

/// What a node remembers of its own signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// All of them.
    Whole,
    /// All from this height on.
    From(Height),
    /// It cannot tell.
    Lost,
}

impl Memory {
    /// Whether a height may be voted on.
    pub fn allows(self, height: Height) -> bool {
        match self {
            Self::Whole => true,
            Self::From(first) => height >= first,
            Self::Lost => false,
        }
    }
}

/// Tips that peers told since the memory was lost.
#[derive(Debug, Default)]
pub(crate) struct Recollection {
    told: BTreeMap<Peer, Height>,
}

impl Recollection {
    /// A peer says how far it is; its first word counts.
    pub(crate) fn hear(&mut self, peer: Peer, height: Height) {
        self.told.entry(peer).or_insert(height);
    }

    /// The memory to go on with, once this node itself has verified every block up to what enough others told: two thirds
    /// of a group of `members`, as many as can be expected to answer truthfully. A tip beyond the blocks that there are
    /// never counts.
    pub(crate) fn conclude(&self, members: usize, tip: Height) -> Option<(Memory, Mark)> {
        let faulty = members.saturating_sub(1) / 3;
        let verified = self.told.values().filter(|height| **height <= tip).count();
        if verified < 2 * faulty + 1 {
            return None;
        }
        let first = Height(tip.0 + REJOIN_HEIGHTS);
        Some((Memory::From(first), Mark::end_of(Height(first.0 - 1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_validator_that_forgot_votes_again_three_heights_above_what_enough_others_told() {
        let mut told = Recollection::default();
        for (peer, height) in [(1, 7), (2, 9), (1, 2)] {
            told.hear(Peer(peer), Height(height));
        }
        assert_eq!(told.conclude(4, Height(9)), None, "two of three others");
        told.hear(Peer(3), Height(1_000_000));
        assert_eq!(told.conclude(4, Height(9)), None, "one of them tells what nobody can verify");
        told.hear(Peer(4), Height(9));
        let expected = (Memory::From(Height(12)), Mark::end_of(Height(11)));
        assert_eq!(told.conclude(4, Height(9)), Some(expected));
        assert_eq!(told.conclude(4, Height(8)), None, "what was told is not verified yet");
    }

    #[test]
    fn memory_says_where_to_vote() {
        let allowed = |memory: Memory| [7, 8].map(|height| memory.allows(Height(height)));
        assert_eq!(allowed(Memory::Whole), [true, true]);
        assert_eq!(allowed(Memory::From(Height(8))), [false, true]);
        assert_eq!(allowed(Memory::Lost), [false, false]);
    }
}
