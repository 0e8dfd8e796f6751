//! What validators sign: CometBFT's canonical vote and proposal.

use crate::{
    header::{to_block_height, to_block_id, to_time},
    ids::ChainId,
    time::{Height, Timestamp},
    wire::{Field, Reader, WireError},
};
use catenary_crypto::Hash;
use tendermint::{
    account,
    block::Round,
    chain,
    proposal::{self, Proposal},
    vote::{self, Vote},
};

/// The two kinds of vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VoteKind {
    /// "I would accept this."
    Prevote,
    /// "A quorum would accept this": two thirds of these are a certificate.
    Precommit,
}

impl VoteKind {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prevote => "prevote",
            Self::Precommit => "precommit",
        }
    }

    /// CometBFT's number, `SignedMsgType`.
    pub fn number(self) -> u8 {
        match self {
            Self::Prevote => 1,
            Self::Precommit => 2,
        }
    }
}

impl Field for VoteKind {
    fn write(&self, number: u32, out: &mut Vec<u8>) {
        u32::from(self.number()).write(number, out);
    }

    fn read(number: u32, input: &mut Reader<'_>) -> Result<Self, WireError> {
        match u32::read(number, input)? {
            1 => Ok(Self::Prevote),
            2 => Ok(Self::Precommit),
            other => {
                let reason = format!("expected a vote of kind 1 or 2, got {other}");
                Err(WireError::Value { number, reason })
            }
        }
    }
}

/// Bytes of a vote: length-delimited `CanonicalVote`. `block` is none for nil; `time` is the time of the header voted
/// for, or the last header's for nil.
pub fn vote(
    chain_id: &ChainId,
    kind: VoteKind,
    height: Height,
    round: u32,
    block: Option<Hash>,
    time: Timestamp,
) -> Vec<u8> {
    let vote = Vote {
        vote_type: match kind {
            VoteKind::Prevote => vote::Type::Prevote,
            VoteKind::Precommit => vote::Type::Precommit,
        },
        height: to_block_height(height),
        round: to_round(round),
        block_id: block.map(to_block_id),
        timestamp: Some(to_time(time)),
        // The signer is not part of the canonical vote.
        validator_address: account::Id::new([0; 20]),
        validator_index: 0u32.try_into().expect("zero is an index"),
        signature: None,
        extension: Vec::new(),
        extension_signature: None,
    };
    vote.into_signable_vec(to_chain_id(chain_id))
}

/// Bytes of a proposal: length-delimited `CanonicalProposal`.
pub fn proposal(
    chain_id: &ChainId,
    height: Height,
    round: u32,
    pol_round: Option<u32>,
    block: Hash,
    time: Timestamp,
) -> Vec<u8> {
    let proposal = Proposal {
        msg_type: proposal::Type::Proposal,
        height: to_block_height(height),
        round: to_round(round),
        pol_round: pol_round.map(to_round),
        block_id: Some(to_block_id(block)),
        timestamp: Some(to_time(time)),
        signature: None,
    };
    proposal.into_signable_vec(to_chain_id(chain_id))
}

fn to_round(round: u32) -> Round {
    Round::try_from(round).expect("no height reaches 2^31 rounds")
}

fn to_chain_id(chain_id: &ChainId) -> chain::Id {
    chain::Id::try_from(chain_id.as_str()).expect("our chain ids are narrower than CometBFT's")
}
