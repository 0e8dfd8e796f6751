//! A group, from the outside, and what its machines are told.

use catenary_consensus::{
    Consensus, Decision, Effect, Input, LocalCache, Mark, Message, Origin, Peer, PolkaCertificate,
    PolkaSignature, Proposal, SignedProposal, SignedVote, Signer, Start, StartHeight, Step,
    TimelinessParameters, Timeouts, ValueId, Verdict, Vote, Voting,
};
use catenary_crypto::{PublicKey, SigningKey, sha256};
use catenary_types::{
    Address, Certificate, ChainId, CommitSignature, Height, Timestamp, Validator, ValidatorSet, VoteKind,
};
use std::sync::Arc;

pub(crate) const NOW: Timestamp = Timestamp(1_700_000_001_000_000_000);
pub(crate) const LAST: Timestamp = Timestamp(1_700_000_000_000_000_000);
pub(crate) const PEER: Peer = Peer(7);

/// A group, from the outside: every key is known here.
pub(crate) struct Group {
    pub(crate) chain_id: ChainId,
    pub(crate) set: Arc<ValidatorSet>,
}

impl Group {
    pub(crate) fn new(members: u8) -> Self {
        Self::of((0..members).map(|seed| key(seed).public_key()))
    }

    pub(crate) fn of(keys: impl Iterator<Item = PublicKey>) -> Self {
        let validators = keys.map(|public_key| Validator { public_key, power: 1 });
        let set = ValidatorSet::new(validators.collect()).unwrap();
        Self { chain_id: "test-0123456789abcdef-1".parse().unwrap(), set: Arc::new(set) }
    }

    pub(crate) fn address(&self, index: usize) -> Address {
        self.set.addresses()[index]
    }

    pub(crate) fn key(&self, index: usize) -> SigningKey {
        (0..).map(key).find(|key| Address::of(&key.public_key()) == self.address(index)).unwrap()
    }

    pub(crate) fn start(&self, start: Start) -> StartHeight {
        StartHeight {
            height: Height(1),
            validators: self.set.clone(),
            first_leader: 0,
            last_time: LAST,
            timeliness: TimelinessParameters::default(),
            timeouts: Timeouts::default(),
            voting: Voting::Vote,
            start,
            replay: Vec::new(),
        }
    }

    pub(crate) fn machine(&self, index: usize, mark: Option<Mark>, start: StartHeight) -> (Consensus, Step) {
        self.machine_at(NOW, index, mark, start)
    }

    pub(crate) fn machine_at(
        &self,
        now: Timestamp,
        index: usize,
        mark: Option<Mark>,
        start: StartHeight,
    ) -> (Consensus, Step) {
        let signer = Signer::new(self.key(index), mark);
        let cache = Box::new(LocalCache::default());
        Consensus::start(now, self.chain_id.clone(), Some(signer), cache, start)
    }

    pub(crate) fn vote(
        &self,
        index: usize,
        kind: VoteKind,
        height: u64,
        value: Option<ValueId>,
    ) -> SignedVote {
        let validator = self.address(index);
        self.sign(index, Vote { kind, height: Height(height), round: 0, value, validator })
    }

    /// A vote at height 1 in some round.
    pub(crate) fn ballot(&self, index: usize, kind: VoteKind, round: u32, value: Option<ValueId>) -> Input {
        let vote = Vote { kind, height: Height(1), round, value, validator: self.address(index) };
        message(Message::Vote(self.sign(index, vote)))
    }

    /// The same vote of several members.
    pub(crate) fn ballots(
        &self,
        members: impl IntoIterator<Item = usize>,
        kind: VoteKind,
        round: u32,
        value: Option<ValueId>,
    ) -> Vec<Input> {
        members.into_iter().map(|index| self.ballot(index, kind, round, value)).collect()
    }

    pub(crate) fn sign(&self, index: usize, vote: Vote) -> SignedVote {
        SignedVote { vote, signature: self.key(index).sign(&vote.sign_bytes(&self.chain_id, LAST)) }
    }

    pub(crate) fn proposal(&self, index: usize, round: u32, value: ValueId) -> SignedProposal {
        self.reproposal(index, round, None, value)
    }

    pub(crate) fn reproposal(
        &self,
        index: usize,
        round: u32,
        pol_round: Option<u32>,
        value: ValueId,
    ) -> SignedProposal {
        let proposal = Proposal { height: Height(1), round, pol_round, value, proposer: self.address(index) };
        let signature = self.key(index).sign(&proposal.sign_bytes(&self.chain_id));
        SignedProposal { proposal, signature }
    }

    pub(crate) fn polka(&self, members: &[usize], round: u32, value: ValueId) -> PolkaCertificate {
        let height = Height(1);
        let entry = |index: &usize| {
            let (kind, validator) = (VoteKind::Prevote, self.address(*index));
            let signed = self.sign(*index, Vote { kind, height, round, value: Some(value), validator });
            PolkaSignature { validator, signature: signed.signature }
        };
        PolkaCertificate { height, round, value, signatures: members.iter().map(entry).collect() }
    }

    pub(crate) fn certificate(&self, value: ValueId, signers: &[usize]) -> Certificate {
        let entry = |index| match signers.contains(&index) {
            false => CommitSignature::Absent,
            true => CommitSignature::Commit {
                address: self.address(index),
                time: value.time,
                signature: self.vote(index, VoteKind::Precommit, 1, Some(value)).signature,
            },
        };
        let signatures = (0..self.set.validators().len()).map(entry).collect();
        Certificate { height: Height(1), round: 0, block: value.block, signatures }
    }
}

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed + 1; 32])
}

pub(crate) fn value(name: &str) -> ValueId {
    ValueId { block: sha256(name.as_bytes()), time: NOW }
}

pub(crate) fn message(message: Message) -> Input {
    Input::Message { peer: PEER, message }
}

pub(crate) fn verdict(
    group: &Group,
    value: ValueId,
    builder: usize,
    verdict: Verdict,
    origin: Origin,
) -> Input {
    Input::Verdict { height: Height(1), value, builder: group.address(builder), verdict, origin }
}

pub(crate) fn votes(step: &Step) -> Vec<Vote> {
    let vote = |effect: &Effect| match effect {
        Effect::Publish(Message::Vote(signed)) => Some(signed.vote),
        _ => None,
    };
    step.durable.iter().filter_map(vote).collect()
}

pub(crate) fn decision(step: &Step) -> Option<&Decision> {
    let decision = |effect: &'_ _| matches!(effect, &&Effect::Decide(_));
    match step.durable.iter().find(decision) {
        Some(Effect::Decide(decision)) => Some(decision),
        _ => None,
    }
}

pub(crate) fn asks_to_build(step: &Step) -> bool {
    step.now.iter().any(|effect| matches!(effect, Effect::Build { .. }))
}

/// Feeds inputs one after the other and gives all that was voted.
pub(crate) fn feed(
    machine: &mut Consensus,
    now: Timestamp,
    inputs: impl IntoIterator<Item = Input>,
) -> Vec<(VoteKind, u32, Option<ValueId>)> {
    let mut said = Vec::new();
    for input in inputs {
        let step = machine.step(now, input);
        machine.check_invariants();
        said.extend(votes(&step).into_iter().map(|vote| (vote.kind, vote.round, vote.value)));
    }
    said
}
