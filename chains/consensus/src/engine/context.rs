//! Our types as the engine wants to see them.

use super::types::{self, LinearTimeouts, NilOrVal, Round, SignedExtension, VoteType};
use crate::message::ValueId;
use catenary_crypto::{PublicKey, Signature};
use catenary_types::{Address, Height, ValidatorSet};
use std::{fmt, sync::Arc};

/// The engine's context: which types it works on and who leads a round.
#[derive(Clone, Debug)]
pub(crate) struct Group;

/// A validator's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Member(pub(crate) Address);

/// A height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct EngineHeight(pub(crate) Height);

/// One validator of a [`Set`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SetMember {
    address: Member,
    public_key: PublicKey,
    power: u64,
}

/// A validator set with the leader of round 0. Cheap to clone: the engine does so several times per height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Set {
    members: Arc<[SetMember]>,
    total_power: u64,
    first_leader: usize,
}

/// A vote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EngineVote {
    pub(crate) kind: VoteType,
    pub(crate) height: EngineHeight,
    pub(crate) round: Round,
    pub(crate) value: NilOrVal<ValueId>,
    pub(crate) validator: Member,
}

/// A proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EngineProposal {
    pub(crate) height: EngineHeight,
    pub(crate) round: Round,
    pub(crate) pol_round: Round,
    pub(crate) value: ValueId,
    pub(crate) proposer: Member,
}

/// Parts of a proposal: the engine never sees any, bodies travel by the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part;

/// The signature scheme, by its types alone; signing and checking are effects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ed25519;

impl Set {
    pub(crate) fn new(set: &ValidatorSet, first_leader: usize) -> Self {
        let members = set.addresses().iter().zip(set.validators()).map(|(address, validator)| SetMember {
            address: Member(*address),
            public_key: validator.public_key,
            power: validator.power,
        });
        Self { members: members.collect(), total_power: set.total_power(), first_leader }
    }

    /// The leader of a round.
    pub(crate) fn leader(&self, round: u32) -> &SetMember {
        &self.members[crate::leader::of_round(self.first_leader, round, self.members.len())]
    }
}

impl SetMember {
    pub(crate) fn address(&self) -> Address {
        self.address.0
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl types::Address for Member {}

impl fmt::Display for EngineHeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl types::Height for EngineHeight {
    const ZERO: Self = Self(Height(0));
    const INITIAL: Self = Self(Height(1));

    fn increment_by(&self, n: u64) -> Self {
        Self(Height(self.0.0 + n))
    }

    fn decrement_by(&self, n: u64) -> Option<Self> {
        self.0.0.checked_sub(n).map(|height| Self(Height(height)))
    }

    fn as_u64(&self) -> u64 {
        self.0.0
    }
}

impl types::Value for ValueId {
    type Id = Self;

    fn id(&self) -> Self {
        *self
    }
}

impl types::Validator<Group> for SetMember {
    fn address(&self) -> &Member {
        &self.address
    }

    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    fn voting_power(&self) -> u64 {
        self.power
    }
}

impl types::ValidatorSet<Group> for Set {
    fn count(&self) -> usize {
        self.members.len()
    }

    fn total_voting_power(&self) -> u64 {
        self.total_power
    }

    fn get_by_address(&self, address: &Member) -> Option<&SetMember> {
        self.members.iter().find(|member| member.address == *address)
    }

    fn get_by_index(&self, index: usize) -> Option<&SetMember> {
        self.members.get(index)
    }
}

impl types::Proposal<Group> for EngineProposal {
    fn height(&self) -> EngineHeight {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &ValueId {
        &self.value
    }

    fn take_value(self) -> ValueId {
        self.value
    }

    fn pol_round(&self) -> Round {
        self.pol_round
    }

    fn validator_address(&self) -> &Member {
        &self.proposer
    }
}

impl types::Vote<Group> for EngineVote {
    fn height(&self) -> EngineHeight {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<ValueId> {
        &self.value
    }

    fn take_value(self) -> NilOrVal<ValueId> {
        self.value
    }

    fn vote_type(&self) -> VoteType {
        self.kind
    }

    fn validator_address(&self) -> &Member {
        &self.validator
    }

    fn extension(&self) -> Option<&SignedExtension<Group>> {
        None
    }

    fn take_extension(&mut self) -> Option<SignedExtension<Group>> {
        None
    }

    fn extend(self, _: SignedExtension<Group>) -> Self {
        self
    }
}

impl types::ProposalPart<Group> for Part {
    fn is_first(&self) -> bool {
        true
    }

    fn is_last(&self) -> bool {
        true
    }
}

impl types::SigningScheme for Ed25519 {
    type DecodingError = &'static str;
    type Signature = Signature;
    type PublicKey = PublicKey;
    // The engine asks for signatures by effect and never holds a key.
    type PrivateKey = ();

    fn decode_signature(bytes: &[u8]) -> Result<Signature, &'static str> {
        Signature::from_slice(bytes).ok_or("a signature has 64 bytes")
    }

    fn encode_signature(signature: &Signature) -> Vec<u8> {
        signature.0.to_vec()
    }

    fn decode_public_key(bytes: &[u8]) -> Result<PublicKey, &'static str> {
        PublicKey::from_slice(bytes).ok_or("a public key has 32 bytes")
    }

    fn encode_public_key(public_key: &PublicKey) -> Vec<u8> {
        public_key.0.to_vec()
    }
}

impl types::Context for Group {
    type Address = Member;
    type Height = EngineHeight;
    type ProposalPart = Part;
    type Proposal = EngineProposal;
    type Validator = SetMember;
    type ValidatorSet = Set;
    // Named by the trait and unused by the core: timers are ours, see `timers.rs`.
    type Timeouts = LinearTimeouts;
    type Value = ValueId;
    type Vote = EngineVote;
    type Extension = ();
    type SigningScheme = Ed25519;

    fn select_proposer<'a>(&self, set: &'a Set, _: EngineHeight, round: Round) -> &'a SetMember {
        set.leader(round.as_u32().unwrap_or(0))
    }

    fn new_proposal(
        &self,
        height: EngineHeight,
        round: Round,
        value: ValueId,
        pol_round: Round,
        proposer: Member,
    ) -> EngineProposal {
        EngineProposal { height, round, pol_round, value, proposer }
    }

    fn new_prevote(
        &self,
        height: EngineHeight,
        round: Round,
        value: NilOrVal<ValueId>,
        validator: Member,
    ) -> EngineVote {
        EngineVote { kind: VoteType::Prevote, height, round, value, validator }
    }

    fn new_precommit(
        &self,
        height: EngineHeight,
        round: Round,
        value: NilOrVal<ValueId>,
        validator: Member,
    ) -> EngineVote {
        EngineVote { kind: VoteType::Precommit, height, round, value, validator }
    }
}
