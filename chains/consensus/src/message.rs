//! What validators say to each other: values, votes, proposals and the certificates made of votes.
//!
//! Plain data, free of the engine. What a signature covers follows from the message and the chain alone: a vote for a
//! value is signed over the value's own time, a vote for nil over the last header's, so that no time travels beside a
//! vote and none can be forged.

use catenary_crypto::{Hash, Signature};
use catenary_types::{Address, ChainId, Height, Timestamp, VoteKind, sign_bytes};
use std::fmt;

/// Rounds from this number on are refused: the canonical encodings hold 31 bits.
pub const ROUND_LIMIT: u32 = i32::MAX as u32;

/// What a group decides on: a header, by hash and time. Two ids with one hash and two times are two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId {
    /// The header's hash.
    pub block: Hash,
    /// The header's time.
    pub time: Timestamp,
}

impl fmt::Display for ValueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.block, self.time.0)
    }
}

/// A prevote or precommit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vote {
    /// Which of the two.
    pub kind: VoteKind,
    /// Height voted on.
    pub height: Height,
    /// Round voted in.
    pub round: u32,
    /// The value, or none for nil.
    pub value: Option<ValueId>,
    /// Who votes.
    pub validator: Address,
}

impl Vote {
    /// The time that is signed: the value's, or for nil `last_time`, that of the header before this height.
    pub fn time(&self, last_time: Timestamp) -> Timestamp {
        self.value.map_or(last_time, |value| value.time)
    }

    /// What is signed. `last_time` is the time of the header before this height.
    pub fn sign_bytes(&self, chain_id: &ChainId, last_time: Timestamp) -> Vec<u8> {
        let block = self.value.map(|value| value.block);
        sign_bytes::vote(chain_id, self.kind, self.height, self.round, block, self.time(last_time))
    }
}

/// A vote with its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedVote {
    /// The vote.
    pub vote: Vote,
    /// Over [`Vote::sign_bytes`].
    pub signature: Signature,
}

/// A leader's proposal. The body travels apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Height proposed for.
    pub height: Height,
    /// Round proposed in.
    pub round: u32,
    /// The earlier round in which a quorum prevoted this value, or none for a new value.
    pub pol_round: Option<u32>,
    /// The value.
    pub value: ValueId,
    /// The leader of the round.
    pub proposer: Address,
}

impl Proposal {
    /// What is signed.
    pub fn sign_bytes(&self, chain_id: &ChainId) -> Vec<u8> {
        let ValueId { block, time } = self.value;
        sign_bytes::proposal(chain_id, self.height, self.round, self.pol_round, block, time)
    }
}

/// A proposal with its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedProposal {
    /// The proposal.
    pub proposal: Proposal,
    /// Over [`Proposal::sign_bytes`].
    pub signature: Signature,
}

/// One prevote of a [`PolkaCertificate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolkaSignature {
    /// Who prevoted.
    pub validator: Address,
    /// Over the prevote.
    pub signature: Signature,
}

/// Prevotes for one value by more than two thirds of the power.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolkaCertificate {
    /// Height of the prevotes.
    pub height: Height,
    /// Their round.
    pub round: u32,
    /// Their value.
    pub value: ValueId,
    /// Who gave them.
    pub signatures: Vec<PolkaSignature>,
}

/// What a [`RoundCertificate`] proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoundCertificateKind {
    /// Votes of its round by more than a third of the power: that round may be entered.
    Skip,
    /// Precommits of its round by more than two thirds: the round after may be entered.
    Precommit,
}

/// One vote of a [`RoundCertificate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundSignature {
    /// Prevote or precommit.
    pub kind: VoteKind,
    /// The value, or none for nil.
    pub value: Option<ValueId>,
    /// Who voted.
    pub validator: Address,
    /// Over the vote.
    pub signature: Signature,
}

/// Votes that justify entering a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundCertificate {
    /// Height of the votes.
    pub height: Height,
    /// Their round.
    pub round: u32,
    /// Which round they open.
    pub kind: RoundCertificateKind,
    /// The votes.
    pub signatures: Vec<RoundSignature>,
}

/// What one validator sends to the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A vote.
    Vote(SignedVote),
    /// A proposal.
    Proposal(SignedProposal),
    /// A quorum of prevotes, sent with a re-proposal.
    Polka(PolkaCertificate),
    /// Why a round was entered.
    Round(RoundCertificate),
}

impl Message {
    /// Height that the message is about.
    pub fn height(&self) -> Height {
        match self {
            Self::Vote(signed) => signed.vote.height,
            Self::Proposal(signed) => signed.proposal.height,
            Self::Polka(certificate) => certificate.height,
            Self::Round(certificate) => certificate.height,
        }
    }

    /// Round that the message is about.
    pub fn round(&self) -> u32 {
        match self {
            Self::Vote(signed) => signed.vote.round,
            Self::Proposal(signed) => signed.proposal.round,
            Self::Polka(certificate) => certificate.round,
            Self::Round(certificate) => certificate.round,
        }
    }

    /// The votes inside, each with its signature.
    pub fn votes(&self) -> Vec<SignedVote> {
        match self {
            Self::Vote(signed) => vec![*signed],
            Self::Proposal(_) => Vec::new(),
            Self::Polka(certificate) => certificate.votes().collect(),
            Self::Round(certificate) => certificate.votes().collect(),
        }
    }
}

impl PolkaCertificate {
    /// The prevotes inside.
    pub fn votes(&self) -> impl Iterator<Item = SignedVote> + '_ {
        self.signatures.iter().map(|entry| SignedVote {
            vote: Vote {
                kind: VoteKind::Prevote,
                height: self.height,
                round: self.round,
                value: Some(self.value),
                validator: entry.validator,
            },
            signature: entry.signature,
        })
    }
}

impl RoundCertificate {
    /// The votes inside.
    pub fn votes(&self) -> impl Iterator<Item = SignedVote> + '_ {
        self.signatures.iter().map(|entry| SignedVote {
            vote: Vote {
                kind: entry.kind,
                height: self.height,
                round: self.round,
                value: entry.value,
                validator: entry.validator,
            },
            signature: entry.signature,
        })
    }
}

/// Proof that a validator broke the protocol, complete with what is needed to check it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Two votes of one kind, height and round.
    DoubleVote {
        /// The one that came first.
        first: SignedVote,
        /// The other.
        second: SignedVote,
        /// Time of the header before, which a vote for nil is signed over.
        last_time: Timestamp,
    },
    /// Two proposals of one height and round.
    DoubleProposal {
        /// The one that came first.
        first: SignedProposal,
        /// The other.
        second: SignedProposal,
    },
}

impl Evidence {
    /// Who did it.
    pub fn validator(&self) -> Address {
        match self {
            Self::DoubleVote { first, .. } => first.vote.validator,
            Self::DoubleProposal { first, .. } => first.proposal.proposer,
        }
    }
}
