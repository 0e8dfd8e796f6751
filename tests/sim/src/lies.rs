//! A Byzantine validator: what it says besides what it should. One is what a group of four stands.
//!
//! It is built from two things. *Twins*: the same honest code started twice with one key, so that it contradicts itself
//! in ways that no list of attacks foresees. And a mutating member, whose messages are changed here, well signed where the
//! change is its own to sign.

use catenary_consensus::{
    Message, PolkaCertificate, PolkaSignature, SignedProposal, SignedVote, ValueId, Vote,
};
use catenary_crypto::{SigningKey, sha256};
use catenary_replica::{FetchedBlock, PeerMessage};
use catenary_types::{Address, ChainId, CommitSignature, Height, Timestamp, VoteKind};
use rand::{Rng, rngs::StdRng};
use std::sync::Arc;

/// Which lies a seed brings; out of 10,000 messages of a liar, and for `invalid` of the blocks that it builds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lies {
    /// A bit is changed.
    pub corrupted: u32,
    /// A vote or proposal says something else to whoever gets it.
    pub contradicted: u32,
    /// A vote or proposal is for another height or round.
    pub shifted: u32,
    /// A certificate, a fetched block or a tip is made up.
    pub forged: u32,
    /// Something that was said long ago is said again.
    pub replayed: u32,
    /// A message is kept back from whom it is for.
    pub withheld: u32,
    /// A message comes so late that its time looks wrong.
    pub held_back: u32,
    /// A block breaks a rule.
    pub invalid: u32,
    /// Whether each liar runs twice.
    pub twins: bool,
    /// How far a liar's clock is off, in milliseconds.
    pub clock_ms: i64,
    /// Whether liars are silent once the faults are over.
    pub leaves: bool,
}

impl Lies {
    /// Draws what a seed brings.
    pub fn draw(rng: &mut StdRng) -> Self {
        if rng.random_bool(0.3) {
            return Self::default();
        }
        let mut some = |most: u32| if rng.random_bool(0.4) { rng.random_range(0..=most) } else { 0 };
        let lies = Self {
            corrupted: some(500),
            contradicted: some(2_000),
            shifted: some(500),
            forged: some(1_000),
            replayed: some(500),
            withheld: some(3_000),
            held_back: some(1_000),
            invalid: some(4_000),
            ..Self::default()
        };
        let clock_ms = if rng.random_bool(0.3) { rng.random_range(-6_000..6_000) } else { 0 };
        Self { twins: rng.random_bool(0.3), clock_ms, leaves: rng.random_bool(0.5), ..lies }
    }

    /// Whether a liar behaves in any way unlike an honest validator.
    pub fn are_told(&self) -> bool {
        let Self { corrupted, contradicted, shifted, forged, replayed, withheld, held_back, invalid, .. } =
            self;
        let rates = [corrupted, contradicted, shifted, forged, replayed, withheld, held_back, invalid];
        self.twins || self.clock_ms != 0 || rates.into_iter().any(|rate| *rate > 0)
    }
}

/// A liar at one height of one chain.
pub struct Liar<'a> {
    /// Its key.
    pub key: &'a SigningKey,
    /// The chain.
    pub chain_id: &'a ChainId,
    /// Time of the newest header.
    pub last_time: Timestamp,
}

impl Liar<'_> {
    fn address(&self) -> Address {
        Address::of(&self.key.public_key())
    }

    fn another(&self) -> ValueId {
        ValueId { block: sha256(b"another block"), time: self.last_time.plus_ms(1) }
    }

    fn sign_vote(&self, vote: Vote) -> SignedVote {
        SignedVote { vote, signature: self.key.sign(&vote.sign_bytes(self.chain_id, self.last_time)) }
    }

    /// The own vote or proposal in a message.
    fn own<'m>(&self, message: &'m mut PeerMessage) -> Option<Own<'m>> {
        match message {
            PeerMessage::Consensus(Message::Vote(signed)) if signed.vote.validator == self.address() => {
                Some(Own::Vote(signed))
            }
            PeerMessage::Consensus(Message::Proposal(signed))
                if signed.proposal.proposer == self.address() =>
            {
                Some(Own::Proposal(signed))
            }
            _ => None,
        }
    }

    /// Makes an own message one for something else. False if it is none.
    pub fn contradict(&self, message: &mut PeerMessage) -> bool {
        match self.own(message) {
            Some(Own::Vote(signed)) => {
                let value = if signed.vote.value.is_some() { None } else { Some(self.another()) };
                *signed = self.sign_vote(Vote { value, ..signed.vote });
            }
            Some(Own::Proposal(signed)) => {
                signed.proposal.value = self.another();
                signed.signature = self.key.sign(&signed.proposal.sign_bytes(self.chain_id));
            }
            None => return false,
        }
        true
    }

    /// Makes an own message one of another height or round. False if it is none.
    pub fn shift(&self, message: &mut PeerMessage, rng: &mut StdRng) -> bool {
        let (up, rounds) = (rng.random_range(0..3), rng.random_range(0..3));
        match self.own(message) {
            Some(Own::Vote(signed)) => {
                let vote = Vote {
                    height: Height(signed.vote.height.0 + up),
                    round: signed.vote.round + rounds,
                    ..signed.vote
                };
                *signed = self.sign_vote(vote);
            }
            Some(Own::Proposal(signed)) => {
                signed.proposal.height.0 += up;
                signed.proposal.round += rounds;
                signed.signature = self.key.sign(&signed.proposal.sign_bytes(self.chain_id));
            }
            None => return false,
        }
        true
    }

    /// Makes something up that others would have to confirm. False if the message is no occasion for it.
    pub fn forge(&self, message: &mut PeerMessage) -> bool {
        match message {
            PeerMessage::Consensus(Message::Vote(signed)) => {
                let Some(value) = signed.vote.value else { return false };
                *message = PeerMessage::Consensus(Message::Polka(self.polka_of_one(signed.vote, value)));
            }
            PeerMessage::Blocks(blocks) => {
                let Some(fetched) = blocks.first_mut() else { return false };
                *fetched = another_block(fetched);
            }
            PeerMessage::Tip(tip) => {
                tip.height.0 += 1_000;
                tip.app_hash = sha256(b"another state");
            }
            PeerMessage::Consensus(_)
            | PeerMessage::Raft(_)
            | PeerMessage::Body(_)
            | PeerMessage::Transactions(_)
            | PeerMessage::Fetch(_)
            | PeerMessage::FetchSnapshot(_)
            | PeerMessage::Manifest(_)
            | PeerMessage::Chunk { .. } => return false,
        }
        true
    }

    /// A quorum of prevotes, all of them its own.
    fn polka_of_one(&self, vote: Vote, value: ValueId) -> PolkaCertificate {
        let (kind, validator) = (VoteKind::Prevote, self.address());
        let own = self.sign_vote(Vote { kind, value: Some(value), validator, ..vote });
        let entry = PolkaSignature { validator, signature: own.signature };
        PolkaCertificate { height: vote.height, round: vote.round, value, signatures: vec![entry; 3] }
    }
}

enum Own<'a> {
    Vote(&'a mut SignedVote),
    Proposal(&'a mut SignedProposal),
}

/// A block a nanosecond later, under signatures that are not for it.
fn another_block(fetched: &FetchedBlock) -> FetchedBlock {
    let FetchedBlock { block, certificate } = fetched;
    let (mut block, mut certificate) = ((**block).clone(), certificate.clone());
    block.header.time.0 += 1;
    certificate.block = block.header.hash();
    for entry in &mut certificate.signatures {
        if let CommitSignature::Commit { time, .. } = entry {
            *time = block.header.time;
        }
    }
    FetchedBlock { block: Arc::new(block), certificate }
}

/// Changes a bit somewhere: no signature, hash or root that covers it fits any more.
pub fn corrupt(message: &mut PeerMessage, rng: &mut StdRng) {
    let bit = 1u8 << rng.random_range(0..8);
    match message {
        PeerMessage::Consensus(Message::Vote(signed)) => signed.signature.0[rng.random_range(0..64)] ^= bit,
        PeerMessage::Consensus(Message::Proposal(signed)) => {
            signed.proposal.value.block.0[rng.random_range(0..32)] ^= bit;
        }
        PeerMessage::Consensus(Message::Polka(certificate)) => drop(certificate.signatures.pop()),
        PeerMessage::Consensus(Message::Round(certificate)) => drop(certificate.signatures.pop()),
        PeerMessage::Raft(message) => message.number ^= u64::from(bit),
        PeerMessage::Body(block) => {
            let block = Arc::make_mut(block);
            match block.envelopes.first_mut().and_then(|envelope| envelope.last_mut()) {
                Some(byte) => *byte ^= bit,
                None => block.header.app_hash.0[0] ^= bit,
            }
        }
        PeerMessage::Transactions(envelopes) => {
            if let Some(byte) = envelopes.first_mut().and_then(|envelope| envelope.last_mut()) {
                *byte ^= bit;
            }
        }
        PeerMessage::Tip(tip) => tip.height.0 ^= u64::from(bit),
        PeerMessage::Fetch(height) => height.0 ^= u64::from(bit),
        // No node of a simulation has a snapshot.
        PeerMessage::FetchSnapshot(_) | PeerMessage::Manifest(_) => {}
        PeerMessage::Chunk { bytes, .. } => {
            if let Some(byte) = bytes.last_mut() {
                *byte ^= bit;
            }
        }
        PeerMessage::Blocks(blocks) => {
            if let Some(fetched) = blocks.first_mut() {
                fetched.certificate.round ^= u32::from(bit);
            }
        }
    }
}
