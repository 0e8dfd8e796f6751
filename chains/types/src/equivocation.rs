//! Equivocation: two votes of one validator for one step of voting.
//!
//! A correct validator signs one message per height, round and kind of vote; its guard sees to that. So two signatures
//! over different bytes prove a lie, whatever the bytes say. That holds for two votes for nil as well: such a vote is
//! signed over the time of the header before, and as there is one final header of a height, one of two times is made up.

use crate::{
    ids::{Address, ChainId},
    sign_bytes::{self, VoteKind},
    time::{Height, Timestamp},
};
use catenary_crypto::{Hash, PublicKey, Signature, verify};

crate::message! {
    /// One of two contradicting votes: what sets it apart from the other.
    pub struct ReportedVote {
        /// The block voted for; none for nil.
        1 => block: Option<Hash>,
        /// The time that the vote is signed over: the block's, or for nil that of the header before.
        2 => time: Timestamp,
        /// Over [`sign_bytes::vote`].
        3 => signature: Signature,
    }

    /// Two votes of one validator for one step.
    pub struct DoubleVote {
        /// Who voted twice.
        1 => validator: Address,
        /// Height voted on.
        2 => height: Height,
        /// Round voted in.
        3 => round: u32,
        /// Prevotes or precommits.
        4 => kind: VoteKind,
        /// The one that is less by block (nil first), then time: a pair has one form, whoever reports it.
        5 => first: ReportedVote,
        /// The other.
        6 => second: ReportedVote,
    }
}

/// Why two votes prove nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DoubleVoteError {
    /// No chain has such a step.
    #[error("no chain has a height {height} with a round {round}")]
    Step {
        /// The height.
        height: Height,
        /// The round.
        round: u32,
    },
    /// One vote twice, or the greater one first.
    #[error("expected two different votes, in order of block, then time")]
    Order,
    /// The key is another's.
    #[error("expected a key of validator {expected}, got one of {actual}")]
    Key {
        /// Who is accused.
        expected: Address,
        /// Whose the key is.
        actual: Address,
    },
    /// A signature is not over this vote on this chain.
    #[error("the signature of the {0} vote does not verify")]
    Signature(&'static str),
}

impl ReportedVote {
    fn order(&self) -> (Option<Hash>, Timestamp) {
        (self.block, self.time)
    }
}

impl DoubleVote {
    /// The same with its votes in order.
    #[must_use]
    pub fn ordered(self) -> Self {
        if self.first.order() <= self.second.order() {
            return self;
        }
        Self { first: self.second, second: self.first, ..self }
    }

    /// Checks that the key, which is the validator's, signed both votes on this chain, and that they contradict each other.
    pub fn verify(&self, chain_id: &ChainId, key: &PublicKey) -> Result<(), DoubleVoteError> {
        let Self { validator, height, round, kind, first, second } = self;
        // The canonical encodings hold so many bits and no more.
        if !(1..=i64::MAX as u64).contains(&height.0) || *round > i32::MAX as u32 {
            return Err(DoubleVoteError::Step { height: *height, round: *round });
        }
        if first.order() >= second.order() {
            return Err(DoubleVoteError::Order);
        }
        let actual = Address::of(key);
        if actual != *validator {
            return Err(DoubleVoteError::Key { expected: *validator, actual });
        }
        for (name, vote) in [("first", first), ("second", second)] {
            let message = sign_bytes::vote(chain_id, *kind, *height, *round, vote.block, vote.time);
            verify(key, &message, &vote.signature).map_err(|_| DoubleVoteError::Signature(name))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use catenary_crypto::SigningKey;

    fn chain(name: &str) -> ChainId {
        format!("{name}-0123456789abcdef-1").parse().unwrap()
    }

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    /// Two votes, each signed as it is.
    fn votes(blocks: [Option<u8>; 2], times: [u64; 2]) -> DoubleVote {
        let (height, round, kind) = (Height(7), 3, VoteKind::Precommit);
        let vote = |at: usize| {
            let (block, time) = (blocks[at].map(|byte| Hash([byte; 32])), Timestamp(times[at]));
            let message = sign_bytes::vote(&chain("berka"), kind, height, round, block, time);
            ReportedVote { block, time, signature: key(1).sign(&message) }
        };
        let validator = Address::of(&key(1).public_key());
        DoubleVote { validator, height, round, kind, first: vote(0), second: vote(1) }
    }

    fn verify(votes: &DoubleVote) -> Result<(), DoubleVoteError> {
        votes.verify(&chain("berka"), &key(1).public_key())
    }

    #[test]
    fn two_votes_that_differ_in_block_or_time_prove_a_lie() {
        let pairs = [
            votes([Some(1), Some(2)], [9, 5]),
            votes([None, Some(2)], [9, 5]),
            votes([Some(1), Some(1)], [5, 9]),
            votes([None, None], [5, 9]),
        ];
        for pair in pairs {
            assert_eq!(verify(&pair), Ok(()), "{pair:?}");
            let turned =
                DoubleVote { first: pair.second.clone(), second: pair.first.clone(), ..pair.clone() };
            assert_eq!(verify(&turned), Err(DoubleVoteError::Order));
            assert_eq!((turned.ordered(), pair.clone().ordered()), (pair.clone(), pair));
        }
        for same in [votes([Some(1), Some(1)], [5, 5]), votes([None, None], [5, 5])] {
            assert_eq!(verify(&same), Err(DoubleVoteError::Order));
        }
    }

    #[test]
    fn every_part_of_both_votes_is_signed_by_the_validator_on_its_chain() {
        let good = votes([None, Some(2)], [9, 5]);
        let [first, second] = ["first", "second"].map(|name| Err(DoubleVoteError::Signature(name)));
        let changed = |change: fn(&mut DoubleVote)| {
            let mut votes = good.clone();
            change(&mut votes);
            verify(&votes)
        };
        assert_eq!(changed(|votes| votes.height = Height(8)), first);
        assert_eq!(changed(|votes| votes.round = 2), first);
        assert_eq!(changed(|votes| votes.kind = VoteKind::Prevote), first);
        assert_eq!(changed(|votes| votes.first.time = Timestamp(8)), first);
        assert_eq!(changed(|votes| votes.second.time = Timestamp(6)), second);
        assert_eq!(changed(|votes| votes.second.block = Some(Hash([3; 32]))), second);
        assert_eq!(changed(|votes| votes.second.signature.0[0] ^= 1), second);
        assert_eq!(good.verify(&chain("other"), &key(1).public_key()), first);
        let expected = Address::of(&key(1).public_key());
        let actual = Address::of(&key(2).public_key());
        let other = good.verify(&chain("berka"), &key(2).public_key());
        assert_eq!(other, Err(DoubleVoteError::Key { expected, actual }));
        let named = DoubleVote { validator: actual, ..good.clone() };
        assert_eq!(named.verify(&chain("berka"), &key(2).public_key()), first);
    }

    #[test]
    fn a_step_that_no_chain_has_is_an_error() {
        let good = votes([None, Some(2)], [9, 5]);
        for (height, round) in [(0, 0), (1 << 63, 0), (u64::MAX, 0), (1, 1 << 31), (1, u32::MAX)] {
            let votes = DoubleVote { height: Height(height), round, ..good.clone() };
            assert_eq!(verify(&votes), Err(DoubleVoteError::Step { height: Height(height), round }));
        }
        let last = DoubleVote { height: Height(i64::MAX as u64), round: i32::MAX as u32, ..good };
        assert_eq!(verify(&last), Err(DoubleVoteError::Signature("first")));
    }
}
