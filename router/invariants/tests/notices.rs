//! Each invariant notices what breaks it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use catenary_consensus::{Message, SignedVote, ValueId, Vote};
use catenary_crypto::{Hash, Signature, SigningKey, empty_root, sha256};
use catenary_invariants::{Finality, SignedSteps, Told, Violation};
use catenary_types::{
    Address, Block, Certificate, Header, Height, Parameters, Timestamp, Validator, ValidatorSet, VoteKind,
    testing::certify,
};

/// Keys of its four validators.
fn keys() -> impl Iterator<Item = SigningKey> {
    (0..4).map(|number| SigningKey::from_seed(&[number; 32]))
}

struct Chain {
    set: ValidatorSet,
    parameters: Parameters,
}

impl Chain {
    fn new() -> Self {
        let member = |key: SigningKey| Validator { public_key: key.public_key(), power: 10 };
        let set = ValidatorSet::new(keys().map(member).collect()).unwrap();
        Self { set, parameters: Parameters::for_group_of(4) }
    }

    /// A block after another one, or the first.
    fn block(&self, height: u64, before: Option<&(Block, Certificate)>, time: u64) -> (Block, Certificate) {
        let last_certificate = before.map(|(_, certificate)| certificate.clone());
        let header = Header {
            protocol_version: self.parameters.protocol_version,
            chain_id: "bank-0123456789abcdef-1".parse().unwrap(),
            height: Height(height),
            time: Timestamp(time),
            last_block: before.map(|(block, _)| block.header.hash()),
            last_commit_hash: last_certificate.as_ref().map_or_else(empty_root, Certificate::hash),
            data_hash: Block::data_hash::<Vec<u8>>(&[]),
            validators_hash: self.set.hash(),
            next_validators_hash: self.set.hash(),
            consensus_hash: self.parameters.hash(),
            app_hash: Hash::default(),
            last_results_hash: empty_root(),
            proposer: self.set.addresses()[0],
        };
        self.certified(Block { header, last_certificate, envelopes: Vec::new() }, &[])
    }

    fn certified(&self, block: Block, absent: &[usize]) -> (Block, Certificate) {
        let certificate = certify(&block.header, &self.set, 0, absent, keys());
        (block, certificate)
    }

    fn tell(&self, finality: &mut Finality, told: &(Block, Certificate)) -> Result<(), Violation> {
        self.tell_state(finality, told, Hash::default())
    }

    fn tell_state(
        &self,
        finality: &mut Finality,
        (block, certificate): &(Block, Certificate),
        app_hash: Hash,
    ) -> Result<(), Violation> {
        let (validators, parameters) = (&self.set, &self.parameters);
        finality.told(Told { block, certificate, validators, parameters, app_hash })
    }
}

fn broken(result: Result<(), Violation>) -> Option<&'static str> {
    result.err().map(|violation| violation.invariant)
}

#[test]
fn two_blocks_of_one_height_or_two_states_after_it() {
    let (chain, mut finality) = (Chain::new(), Finality::default());
    let first = chain.block(1, None, 10);
    assert_eq!(chain.tell(&mut finality, &first), Ok(()));
    assert_eq!(chain.tell(&mut finality, &first), Ok(()), "another node tells the same");
    assert_eq!(broken(chain.tell(&mut finality, &chain.block(1, None, 11))), Some("agreement"));
    let other = chain.tell_state(&mut finality, &first, sha256(b"other"));
    assert_eq!(broken(other), Some("one state"));
    assert_eq!(finality.highest(), Height(1));
}

#[test]
fn what_a_node_has_must_have_been_final() {
    let (chain, mut finality) = (Chain::new(), Finality::default());
    let first = chain.block(1, None, 10);
    chain.tell(&mut finality, &first).unwrap();
    assert_eq!(finality.still_has([(Height(1), first.0.header.hash())]), Ok(()));
    let lost = finality.still_has([(Height(1), sha256(b"other"))]);
    assert_eq!(broken(lost), Some("what was final stays final"));
    assert!(finality.still_has([(Height(2), first.0.header.hash())]).is_err(), "nobody ever told of it");
}

#[test]
fn a_block_that_does_not_follow() {
    let (chain, mut finality) = (Chain::new(), Finality::default());
    let first = chain.block(1, None, 10);
    chain.tell(&mut finality, &first).unwrap();
    let follows = Some("a block follows the one before");
    assert_eq!(broken(chain.tell(&mut finality, &chain.block(2, Some(&first), 10))), follows, "no later");
    let mut elsewhere = chain.block(2, Some(&first), 11).0;
    elsewhere.header.last_block = Some(sha256(b"another block"));
    assert_eq!(broken(chain.tell(&mut finality, &chain.certified(elsewhere, &[]))), follows);
    assert_eq!(chain.tell(&mut finality, &chain.block(2, Some(&first), 11)), Ok(()));
}

#[test]
fn a_certificate_that_does_not_verify() {
    let (chain, mut finality) = (Chain::new(), Finality::default());
    let few = chain.certified(chain.block(1, None, 10).0, &[0, 1]);
    assert_eq!(broken(chain.tell(&mut finality, &few)), Some("certificates verify"), "half is no quorum");
    let first = chain.block(1, None, 10);
    chain.tell(&mut finality, &first).unwrap();
    let forged = chain.block(2, Some(&(first.0.clone(), few.1)), 11);
    assert_eq!(broken(chain.tell(&mut finality, &forged)), Some("certificates verify"), "the one it carries");
}

#[test]
fn an_envelope_that_is_none_or_that_the_header_does_not_name() {
    let chain = Chain::new();
    let mut block = chain.block(1, None, 10).0;
    block.envelopes.push(b"no envelope".to_vec());
    let signed = Some("transactions are signed, and count once");
    let told = chain.certified(block.clone(), &[]);
    assert_eq!(broken(chain.tell(&mut Finality::default(), &told)), signed, "not what the header names");
    block.header.data_hash = Block::data_hash(&block.envelopes);
    let told = chain.certified(block, &[]);
    assert_eq!(broken(chain.tell(&mut Finality::default(), &told)), signed, "nobody signed it");
}

#[test]
fn two_messages_for_one_step() {
    let validator = Address([1; 20]);
    let vote = |round, value: Option<&[u8]>| {
        let value = value.map(|value| ValueId { block: sha256(value), time: Timestamp(1) });
        let vote = Vote { kind: VoteKind::Prevote, height: Height(1), round, value, validator };
        Message::Vote(SignedVote { vote, signature: Signature([0; 64]) })
    };
    let mut steps = SignedSteps::default();
    assert_eq!(steps.sent(&vote(0, Some(b"a"))), Ok(()));
    assert_eq!(steps.sent(&vote(0, Some(b"a"))), Ok(()), "the same again");
    assert_eq!(steps.sent(&vote(1, None)), Ok(()), "another round");
    assert_eq!(broken(steps.sent(&vote(0, None))), Some("one message a step"));
    steps.expect_lies(validator);
    assert_eq!(steps.sent(&vote(0, None)), Ok(()), "of this one nothing is expected");
}
