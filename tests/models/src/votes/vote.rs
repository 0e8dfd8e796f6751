//! What a validator says and hears at a height, and what it remembers having said.

use catenary_consensus::{Mark, SignedStep};
use catenary_crypto::Hash;
use catenary_types::Height;

/// Rounds of a height that fit the model.
pub const ROUNDS: usize = 3;

/// A block that may be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    /// One.
    A,
    /// The other.
    B,
}

/// The two votes of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// The first.
    Prevote,
    /// The second.
    Precommit,
}

/// A signed vote, for a value or for nil.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Vote {
    /// Its height.
    pub height: u8,
    /// Its round.
    pub round: u8,
    /// Its step.
    pub step: Step,
    /// What it is for.
    pub value: Option<Value>,
}

/// What a validator hears, or runs out of patience for, at its height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Input {
    /// The proposal of the running round; a value that had a polka before may come with it.
    Proposal {
        /// What is proposed.
        value: Value,
        /// The round of the polka.
        polka: Option<u8>,
    },
    /// No proposal came in time.
    ProposeTimeout,
    /// Prevotes of a quorum for one value.
    Polka {
        /// Their round.
        round: u8,
        /// What they are for.
        value: Value,
    },
    /// No quorum of prevotes came in time.
    PrevoteTimeout,
    /// The next round begins.
    NextRound,
}

/// A record of the journal: of a height, what was heard or what was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Record {
    /// Heard.
    Heard(u8, Input),
    /// Signed.
    Own(Vote),
}

/// A mark as the model keeps it; the order is that of the production code's [`Mark`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Known {
    /// Nothing was signed.
    Nothing,
    /// This vote.
    Signed(Vote),
    /// Anything up to the end of this height.
    EndOf(u8),
    /// Marks were lost: above this height anything may have been signed.
    Forgotten(u8),
}

impl Vote {
    /// Whether both are for one height, round and step.
    pub fn is_beside(&self, other: &Self) -> bool {
        (self.height, self.round, self.step) == (other.height, other.round, other.step)
    }
}

impl Record {
    /// Its height.
    pub fn height(&self) -> u8 {
        match self {
            Self::Heard(height, _) => *height,
            Self::Own(vote) => vote.height,
        }
    }
}

impl Known {
    /// The mark.
    pub fn mark(self) -> Mark {
        match self {
            Self::Nothing => Mark::nothing(),
            Self::EndOf(height) => Mark::end_of(Height(height.into())),
            Self::Forgotten(height) => Mark::forgotten(Height(height.into())),
            Self::Signed(vote) => Mark {
                height: Height(vote.height.into()),
                round: vote.round.into(),
                step: match vote.step {
                    Step::Prevote => SignedStep::Prevote,
                    Step::Precommit => SignedStep::Precommit,
                },
                // Stands for the hash of the sign-bytes.
                digest: Hash([vote.value.map_or(0, |value| value as u8 + 1); 32]),
            },
        }
    }

    /// Whether this stands above another, or there is no other.
    pub fn is_above(self, other: Option<Self>) -> bool {
        self.mark().is_above(other.map(Self::mark).as_ref())
    }
}
