//! What makes a block invalid: each fault alone, in a block that is right in everything else.

use crate::node::{Change, Node, START, WEIGHT_PAY, certify, genesis, pay, worker};
use catenary_crypto::Hash;
use catenary_ledger::Inadmissible;
use catenary_replica::{BlockError, CertificateError, Done, Job, Recovered, SubmitOutcome, Tip};
use catenary_types::{
    Address, Block, Certificate, CommitSignature, Envelope, Header, Height, Message, RequestId, Timestamp,
    UnixSeconds, envelope::EnvelopeError, limits::BLOCK_ENVELOPES_MAX, time::NANOS_PER_SECOND,
};
use std::sync::Arc;

/// A node at height 1, which was not empty, and blocks for it to judge.
struct Scene {
    node: Node,
    time: Timestamp,
}

impl Scene {
    fn new() -> Self {
        let genesis = genesis(4, |parameters| {
            (parameters.block_weight_max, parameters.block_bytes_max) = (4 * WEIGHT_PAY, 2_000);
            parameters.idle_interval_s = 60;
        });
        let mut node = Node::start(worker(&genesis), Recovered::default());
        let envelope = node.envelope('A', 1, vec![pay()]);
        node.submit(vec![envelope]);
        node.commit();
        let time = node.worker.tip().time.plus_ms(1_000);
        Self { node, time }
    }

    fn tip(&self) -> &Tip {
        self.node.worker.tip()
    }

    fn pay(&self, bank: char, request: u8) -> Vec<u8> {
        self.node.envelope(bank, request, vec![pay()])
    }

    /// The block that follows from the tip with these envelopes.
    fn block(&self, envelopes: Vec<Vec<u8>>) -> Block {
        self.block_at(self.time, envelopes)
    }

    fn block_at(&self, time: Timestamp, envelopes: Vec<Vec<u8>>) -> Block {
        let header = self.tip().next_header(time, self.tip().next_validators.addresses()[0], &envelopes);
        let last_certificate = self.tip().block.as_ref().map(|block| block.certificate.clone());
        Block { header, last_certificate, envelopes }
    }

    fn judge(&mut self, block: Block) -> Result<(), BlockError> {
        match self.node.worker.run(Job::Check(Arc::new(block))) {
            Done::Checked { result, .. } => result,
            other => panic!("a judgement was asked for, got {other:?}"),
        }
    }

    fn judge_envelopes(&mut self, envelopes: Vec<Vec<u8>>) -> Result<(), BlockError> {
        let block = self.block(envelopes);
        self.judge(block)
    }
}

#[test]
fn a_header_follows_from_the_block_before_in_every_field() {
    let mut scene = Scene::new();
    let block = scene.block(vec![scene.pay('A', 2)]);
    assert_eq!(scene.judge(block.clone()), Ok(()));
    const OTHER: Hash = Hash([9; 32]);
    let changes: [Change<Header>; 7] = [
        ("protocol version", |header| header.protocol_version += 1),
        ("chain", |header| header.chain_id = "test-0123456789abcdef-1".parse().unwrap()),
        ("height", |header| header.height = Height(3)),
        ("last block", |header| header.last_block = Some(OTHER)),
        ("validators", |header| header.validators_hash = OTHER),
        ("next validators", |header| header.next_validators_hash = OTHER),
        ("parameters", |header| header.consensus_hash = OTHER),
    ];
    for (field, change) in changes {
        let mut changed = block.clone();
        change(&mut changed.header);
        assert_eq!(scene.judge(changed), Err(BlockError::Header), "{field}");
    }
    // Whoever sends another body than the header names says nothing about the block that it does name.
    let bodies: [Change<Block>; 4] = [
        ("last commit hash", |block| block.header.last_commit_hash = OTHER),
        ("data hash", |block| block.header.data_hash = OTHER),
        ("last certificate", |block| block.last_certificate = None),
        ("envelopes", |block| block.envelopes[0].push(0)),
    ];
    for (field, change) in bodies {
        let mut changed = block.clone();
        change(&mut changed);
        assert_eq!(scene.judge(changed), Err(BlockError::Body), "{field}");
    }
    // Another outcome of the block before is told apart: this node may be the one that is wrong.
    let ours = block.header.app_hash;
    let outcomes: [(Change<Header>, Hash); 2] = [
        (("app hash", |header| header.app_hash = OTHER), OTHER),
        (("results", |header| header.last_results_hash = OTHER), ours),
    ];
    for ((field, change), theirs) in outcomes {
        let mut changed = block.clone();
        change(&mut changed.header);
        assert_eq!(scene.judge(changed), Err(BlockError::State { ours, theirs }), "{field}");
    }
    // Time and builder are the builder's choice; whether they are right is for consensus to say.
    let mut chosen = block;
    (chosen.header.time.0, chosen.header.proposer) = (chosen.header.time.0 + 1, Address([1; 20]));
    assert_eq!(scene.judge(chosen), Ok(()));
}

#[test]
fn time_increases() {
    let mut scene = Scene::new();
    let last = scene.tip().time;
    for (actual, later) in [(last.0 - 1, false), (last.0, false), (last.0 + 1, true)] {
        let actual = Timestamp(actual);
        let block = scene.block_at(actual, vec![scene.pay('A', 2)]);
        let expected = if later { Ok(()) } else { Err(BlockError::Time { last, actual }) };
        assert_eq!(scene.judge(block), expected);
    }
}

#[test]
fn an_empty_block_is_a_seal_or_a_heartbeat() {
    let mut scene = Scene::new();
    assert_eq!(scene.judge_envelopes(Vec::new()), Ok(()), "the seal");
    scene.node.commit();
    let due = Timestamp(scene.tip().time.0 + 60 * NANOS_PER_SECOND);
    for (time, allowed) in [(scene.time, false), (Timestamp(due.0 - 1), false), (due, true)] {
        let block = scene.block_at(time, Vec::new());
        assert_eq!(scene.judge(block), if allowed { Ok(()) } else { Err(BlockError::Empty) });
    }
    let day_later = START.start().plus_ms(25 * 3_600_000);
    let mut first = Scene { node: Node::alone(|_| {}), time: day_later };
    let why = "the genesis needs neither seal nor heartbeat";
    assert_eq!(first.judge_envelopes(Vec::new()), Err(BlockError::Empty), "{why}");
}

#[test]
fn the_last_block_is_proven_by_any_good_certificate_and_by_no_other() {
    let mut scene = Scene::new();
    let envelopes = vec![scene.pay('A', 2)];
    let on = |scene: &Scene, last: Option<Certificate>| {
        let mut block = scene.block(envelopes.clone());
        let proposer = block.header.proposer;
        block.header = scene.tip().next_header_on(last.as_ref(), scene.time, proposer, &envelopes);
        block.last_certificate = last;
        block
    };
    let last_header = scene.node.committed[0].executed.block.header.clone();
    let before = Tip { next_validators: scene.tip().validators.clone(), ..scene.tip().clone() };
    let certificate = |round, absent: &[usize]| certify(&before, &last_header, round, absent);
    for good in [certificate(0, &[]), certificate(0, &[1]), certificate(4, &[])] {
        let block = on(&scene, Some(good));
        assert_eq!(scene.judge(block), Ok(()));
    }
    let none = on(&scene, None);
    assert_eq!(scene.judge(none), Err(BlockError::Header));
    let mut of_other = certificate(0, &[]);
    of_other.block = Hash([1; 32]);
    let block = on(&scene, Some(of_other));
    assert_eq!(scene.judge(block), Err(BlockError::Body), "the header does not cover it");
    let mut of_other = certificate(0, &[]);
    of_other.height = Height(2);
    let block = on(&scene, Some(of_other));
    assert_eq!(scene.judge(block), Err(BlockError::Body), "the header does not cover it");
    let weak = on(&scene, Some(certificate(0, &[0, 2])));
    let power = CertificateError::Power { actual: 20, total: 40, numerator: 2, denominator: 3 };
    assert_eq!(scene.judge(weak), Err(BlockError::Certificate(power)));
    let mut forged = certificate(0, &[]);
    let CommitSignature::Commit { signature, .. } = &mut forged.signatures[2] else { panic!("all signed") };
    signature.0[0] ^= 1;
    let forged = on(&scene, Some(forged));
    let expected = CertificateError::Signature { index: 2 };
    assert_eq!(scene.judge(forged), Err(BlockError::Certificate(expected)));
}

#[test]
fn a_certificate_of_nothing_under_the_first_block_says_nothing_about_it() {
    let mut first = Scene { node: Node::alone(|_| {}), time: START.start().plus_ms(1_000) };
    let envelope = first.pay('A', 1);
    let mut block = first.block(vec![envelope]);
    assert_eq!(first.judge(block.clone()), Ok(()));
    let of_nothing =
        Certificate { height: Height(0), round: 0, block: Hash([0; 32]), signatures: Vec::new() };
    block.last_certificate = Some(of_nothing);
    assert_eq!(
        first.judge(block),
        Err(BlockError::Body),
        "the header names it no other way than none at all"
    );
}

#[test]
fn one_bad_envelope_makes_the_block_invalid() {
    let mut scene = Scene::new();
    let good = |request| scene.pay('A', request);
    let (first, second, used) = (good(2), good(3), good(1));
    let until = |second| scene.node.envelope_until(UnixSeconds(second), 'A', 4, vec![pay()]);
    let (early, late) = (until(START.0 + 1), until(START.0 + 2 + 3_601));
    let stranger = scene.pay('D', 4);
    let mut forged = Envelope::decode(&second).unwrap();
    forged.signatures[0].signature.0[0] ^= 1;
    let other_key = {
        let mut envelope = Envelope::decode(&second).unwrap();
        envelope.signatures = Envelope::decode(&scene.pay('B', 3)).unwrap().signatures;
        envelope
    };
    let malformed = [first[..].to_vec(), vec![0x78, 0x01]].concat();
    let second_envelope =
        |scene: &mut Scene, envelope: Vec<u8>| scene.judge_envelopes(vec![first.clone(), envelope]);
    assert_eq!(second_envelope(&mut scene, second.clone()), Ok(()));
    let index = 1;
    assert!(matches!(
        second_envelope(&mut scene, malformed),
        Err(BlockError::Envelope { index: 1, error: EnvelopeError::Malformed(_) })
    ));
    assert_eq!(second_envelope(&mut scene, forged.encode()), Err(BlockError::Signature { index }));
    let mut inadmissible = |envelope| match second_envelope(&mut scene, envelope) {
        Err(BlockError::Inadmissible { index: 1, error }) => error,
        other => panic!("{other:?}"),
    };
    let again = |request| Inadmissible::Repeated(RequestId([request; 16]));
    assert_eq!(inadmissible(first.clone()), again(2), "twice in this block");
    assert_eq!(inadmissible(used), again(1), "in the block before");
    assert!(matches!(inadmissible(stranger), Inadmissible::UnknownSender(_)));
    assert!(matches!(inadmissible(early), Inadmissible::Expired { .. }));
    assert!(matches!(inadmissible(late), Inadmissible::ValidTooLong { .. }));
    assert!(matches!(inadmissible(other_key.encode()), Inadmissible::UnknownKey(_)));
}

#[test]
fn a_signature_that_was_good_at_the_door_vouches_for_no_other() {
    let mut scene = Scene::new();
    let good = scene.pay('A', 2);
    assert!(matches!(scene.node.submit(vec![good.clone()])[..], [SubmitOutcome::Accepted(_)]));
    let mut forged = Envelope::decode(&good).unwrap();
    forged.signatures[0].signature.0[0] ^= 1;
    assert_eq!(scene.judge_envelopes(vec![good]), Ok(()));
    // The body is the same, and so is the transaction's id.
    let expected = Err(BlockError::Signature { index: 0 });
    assert_eq!(scene.judge_envelopes(vec![forged.encode()]), expected);
}

#[test]
fn a_block_has_its_limits() {
    let mut scene = Scene::new();
    let payments = |scene: &Scene, count: u8| (2..2 + count).map(|request| scene.pay('A', request)).collect();
    let (four, five): (Vec<_>, Vec<_>) = (payments(&scene, 4), payments(&scene, 5));
    assert_eq!(scene.judge_envelopes(four), Ok(()));
    let (limit, actual) = (4 * WEIGHT_PAY, 5 * WEIGHT_PAY);
    assert_eq!(scene.judge_envelopes(five), Err(BlockError::TooLarge { what: "weight", limit, actual }));
    let envelopes = vec![vec![0; 1_000], vec![0; 1_001]];
    let bytes = BlockError::TooLarge { what: "bytes", limit: 2_000, actual: 2_001 };
    assert_eq!(scene.judge_envelopes(envelopes), Err(bytes));
    let (limit, actual) = (BLOCK_ENVELOPES_MAX as u64, BLOCK_ENVELOPES_MAX as u64 + 1);
    let envelopes = vec![Vec::new(); BLOCK_ENVELOPES_MAX + 1];
    let count = BlockError::TooLarge { what: "envelopes", limit, actual };
    assert_eq!(scene.judge_envelopes(envelopes), Err(count));
}
