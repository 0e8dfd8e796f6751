//! A group, from the outside, and what its machines are told.

use catenary_consensus::{
    Consensus, Decision, Effect, Input, LocalCache, Mark, Message, Origin, Peer, Proposal, SignedProposal,
    SignedVote, Signer, Start, StartHeight, Step, TimelinessParameters, Timeouts, ValueId, Verdict, Vote,
    Voting,
};
use catenary_crypto::{SigningKey, sha256};
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
        let validators = (0..members).map(|seed| Validator { public_key: key(seed).public_key(), power: 1 });
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
        let signer = Signer::new(self.key(index), mark);
        let cache = Box::new(LocalCache::default());
        Consensus::start(NOW, self.chain_id.clone(), Some(signer), cache, start)
    }

    pub(crate) fn vote(
        &self,
        index: usize,
        kind: VoteKind,
        height: u64,
        value: Option<ValueId>,
    ) -> SignedVote {
        let vote = Vote { kind, height: Height(height), round: 0, value, validator: self.address(index) };
        let signature = self.key(index).sign(&vote.sign_bytes(&self.chain_id, LAST));
        SignedVote { vote, signature }
    }

    pub(crate) fn proposal(&self, index: usize, round: u32, value: ValueId) -> SignedProposal {
        let proposal =
            Proposal { height: Height(1), round, pol_round: None, value, proposer: self.address(index) };
        let signature = self.key(index).sign(&proposal.sign_bytes(&self.chain_id));
        SignedProposal { proposal, signature }
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
