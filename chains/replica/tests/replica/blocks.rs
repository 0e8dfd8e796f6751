//! A block on its way: built by one node, judged by the others, executed by all.

use crate::node::{Node, START, certify, from_peer, genesis, key, names, pay, refusal, value, worker};
use catenary_apps::admin::{AddInstance, AdminCall, DeclareReady, SetParameters, SetValidators};
use catenary_consensus::{Decision, Input as ConsensusInput, Origin, Verdict};
use catenary_replica::{Effect, Input, Job, PeerMessage, Recovered};
use catenary_types::{
    Block, Call, Header, Height, Message, Parameters, Readiness, Receipt, UnixSeconds, Validator,
};
use std::sync::Arc;

/// Static weight of a transaction of one call that nobody knows.
const WEIGHT_UNKNOWN: u64 = 55;

/// Two nodes of a group of four; the first one builds.
fn pair() -> (Node, Node) {
    let node = || Node::start(worker(&genesis(4, |_| {})), Recovered::default()).connected();
    (node(), node())
}

/// The first node's next block, with a payment in it.
fn next_block(node: &mut Node, request: u8) -> Arc<Block> {
    let envelope = node.envelope('A', request, vec![pay()]);
    node.submit(vec![envelope]);
    node.build().unwrap()
}

#[test]
fn what_one_node_builds_the_others_find_valid_and_all_come_to_the_same_state() {
    let (mut builder, mut other) = pair();
    for request in 1..4 {
        let block = next_block(&mut builder, request);
        assert_eq!(builder.sent.last(), Some(&block), "the others need the body");
        other.consensus.clear();
        other.body(block.clone());
        assert_eq!(other.verdicts(), [(value(&block), Verdict::Valid)]);
        assert_eq!(
            other.journal.last(),
            Some(&block),
            "no verdict before the body is on its way to the disk"
        );
        let (left, right) = (builder.decide(&block), other.decide(&block));
        assert_eq!(
            (left.executed.tip, left.executed.receipts),
            (right.executed.tip, right.executed.receipts)
        );
        assert_eq!(builder.worker.state().app_hash(), other.worker.state().app_hash());
    }
    assert_eq!(other.replica.tip().height, Height(3));
}

#[test]
fn headers_lag_the_state_by_one_block_and_sets_by_two() {
    let mut node = Node::start(worker(&genesis(4, |_| {})), Recovered::default());
    let old = node.worker.tip().clone();
    let parameters = Parameters { block_interval_ms_min: 21, ..old.parameters.clone() };
    let validators: Vec<_> =
        (2..=5).map(|seed| Validator { public_key: key(seed).public_key(), power: 10 }).collect();
    let ready = (2..=5).map(|seed| {
        let readiness = Readiness::sign(&old.chain_id, &key(seed), (Height(0), old.app_hash), node.now);
        AdminCall::DeclareReady(DeclareReady { readiness })
    });
    let changes = [
        AdminCall::SetParameters(SetParameters { parameters: parameters.clone() }),
        AdminCall::SetValidators(SetValidators { validators }),
    ];
    let decision = node.decision(1, ready.chain(changes).collect());
    node.submit(vec![decision]);
    let mut headers: Vec<Header> = Vec::new();
    let mut roots = vec![old.app_hash];
    let mut results = vec![old.results_hash];
    for _ in 0..2 {
        let committed = node.commit();
        headers.push(committed.executed.block.header.clone());
        roots.push(node.worker.state().app_hash());
        results.push(Receipt::results_hash(&committed.executed.receipts));
    }
    let envelope = node.envelope('A', 2, vec![pay()]);
    node.submit(vec![envelope]);
    headers.push(node.commit().executed.block.header.clone());
    assert_ne!(roots[0], roots[1]);
    let named: Vec<_> = headers.iter().map(|header| (header.app_hash, header.last_results_hash)).collect();
    assert_eq!(named, roots.into_iter().zip(results).collect::<Vec<_>>());
    let (old_set, new_set) = (old.next_validators.hash(), node.worker.tip().next_validators.hash());
    assert_ne!(old_set, new_set);
    let sets: Vec<_> =
        headers.iter().map(|header| (header.validators_hash, header.next_validators_hash)).collect();
    assert_eq!(sets, [(old_set, old_set), (old_set, new_set), (new_set, new_set)]);
    let (old, new) = (old.parameters.hash(), parameters.hash());
    let consensus: Vec<_> = headers.iter().map(|header| header.consensus_hash).collect();
    assert_eq!(consensus, [old, new, new]);
}

#[test]
fn who_built_the_last_block_leads_until_header_time_enters_another_interval() {
    let mut node = Node::start_as(2, worker(&genesis(4, |_| {})), Recovered::default());
    assert_eq!(node.started().first_leader, 0, "nobody built the genesis");
    let mut leaders = Vec::new();
    // Intervals of 30 seconds begin at the chain's start.
    for (request, second) in [(1, 2), (2, 29), (3, 31), (4, 32)] {
        node.now = UnixSeconds(START.0 + second).start();
        let until = UnixSeconds(START.0 + 100);
        let envelope = node.envelope_until(until, 'A', request, vec![pay()]);
        node.submit(vec![envelope]);
        node.commit();
        leaders.push(node.started().first_leader);
    }
    assert_eq!(leaders, [2, 2, 3, 2]);
}

#[test]
fn what_weighs_too_much_under_new_parameters_is_forgotten() {
    let mut node = Node::alone(|_| {});
    let parameters = Parameters { block_weight_max: 100_000, ..node.worker.tip().parameters.clone() };
    let change = node.decision(1, vec![AdminCall::SetParameters(SetParameters { parameters })]);
    node.submit(vec![change]);
    let block = node.build().unwrap();
    let member = Validator { public_key: key(1).public_key(), power: 1 };
    let heavy = AdminCall::SetValidators(SetValidators { validators: vec![member; 20_000] });
    let heavy = Call { instance: "admin".parse().unwrap(), message: heavy.encode() };
    let envelopes = vec![node.envelope('A', 1, vec![heavy]), node.envelope('B', 2, vec![pay()])];
    assert_eq!(node.submit(envelopes).iter().filter_map(refusal).count(), 0, "it fits the limit of today");
    assert_eq!(node.decide(&block).pool, 1);
    assert_eq!(names(&node.commit().executed.block), "B2");
    node.commit();
    assert!(node.build().is_none() && !node.replica.is_working());
    assert_eq!(node.replica.pool_len(), 0);
}

#[test]
fn a_block_holds_what_its_calls_weigh_today() {
    let mut genesis = genesis(4, |parameters| parameters.block_weight_max = 10 * WEIGHT_UNKNOWN);
    let asset = genesis.instances.pop().unwrap();
    let (mut node, mut other) = (
        Node::start(worker(&genesis), Recovered::default()).connected(),
        Node::start(worker(&genesis), Recovered::default()).connected(),
    );
    let add = AddInstance { name: asset.name, kind: asset.kind, version: asset.version };
    let addition = node.decision(1, vec![AdminCall::AddInstance(add)]);
    node.submit(vec![addition]);
    let block = node.build().unwrap();
    // Ten of these fill a block as long as nobody knows what they mean.
    node.submit_payments("ABCABCABCA", 2);
    node.decide(&block);
    other.body(block.clone());
    other.decide(&block);
    let block = node.build().unwrap();
    assert_eq!(names(&block), "A2 B3 C4 A5 B6 C7 A8");
    other.consensus.clear();
    other.body(block.clone());
    assert_eq!(other.verdicts(), [(value(&block), Verdict::Valid)]);
    assert_eq!(node.decide(&block).pool, 3);
    assert_eq!(names(&node.build().unwrap()), "B9 C10 A11");
}

#[test]
fn what_weighs_too_much_since_its_instance_is_there_is_forgotten() {
    let mut genesis = genesis(1, |parameters| parameters.block_weight_max = 10 * WEIGHT_UNKNOWN);
    let asset = genesis.instances.pop().unwrap();
    let mut node = Node::start(worker(&genesis), Recovered::default());
    let add = AddInstance { name: asset.name, kind: asset.kind, version: asset.version };
    let addition = node.decision(1, vec![AdminCall::AddInstance(add)]);
    node.submit(vec![addition]);
    let block = node.build().unwrap();
    let heavy = node.envelope('A', 1, vec![pay(); 26]);
    assert_eq!(refusal(&node.submit(vec![heavy])[0]), None);
    assert_eq!(node.decide(&block).pool, 1);
    assert_eq!(node.commit().pool, 0, "only the seal is built");
    assert!(node.build().is_none());
}

#[test]
fn an_invalid_body_is_told_to_operator_and_consensus_and_kept_nowhere() {
    let (mut builder, mut other) = pair();
    let mut block = (*next_block(&mut builder, 1)).clone();
    block.header.consensus_hash = catenary_crypto::empty_root();
    other.consensus.clear();
    other.body(Arc::new(block.clone()));
    assert_eq!(other.verdicts(), [(value(&block), Verdict::Invalid)]);
    assert_eq!(other.rejected.len(), 1);
    assert_eq!(other.rejected[0].0, value(&block));
    assert!(other.rejected[0].1.contains("does not follow"), "{:?}", other.rejected);
    assert!(other.journal.is_empty());
}

#[test]
fn a_body_that_is_not_its_headers_says_nothing_about_the_block() {
    let (mut builder, mut other) = pair();
    let good = next_block(&mut builder, 1);
    let mut forged = (*good).clone();
    forged.envelopes[0].push(0);
    other.consensus.clear();
    // The good one comes while the worker looks at the forged one.
    let forged = Arc::new(forged);
    let step = other.replica.step(other.now, from_peer(PeerMessage::Body(forged.clone())));
    assert!(matches!(step.effects[..], [Effect::Work(Job::Check(_))]), "{step:?}");
    other.body(good.clone());
    assert_eq!(other.verdicts(), []);
    let done = other.worker.run(Job::Check(forged));
    other.input(Input::Done(done));
    assert_eq!(other.verdicts(), [(value(&good), Verdict::Valid)]);
    assert!(other.rejected.is_empty());
}

#[test]
fn a_body_counts_once_and_only_at_its_height() {
    let (mut builder, mut other) = pair();
    let first = next_block(&mut builder, 1);
    builder.decide(&first);
    let second = next_block(&mut builder, 2);
    other.consensus.clear();
    other.body(second.clone());
    assert_eq!(other.verdicts().len(), 0, "its time has not come");
    for _ in 0..2 {
        other.body(first.clone());
    }
    assert_eq!(other.verdicts().len(), 1);
    other.decide(&first);
    assert_eq!(other.verdicts().len(), 1, "now it has: it was kept");
    other.body(first.clone());
    assert_eq!((other.verdicts().len(), other.journal), (0, vec![first, second]));
}

#[test]
fn a_decision_waits_for_its_body() {
    let (mut builder, mut other) = pair();
    let block = next_block(&mut builder, 1);
    let certificate = certify(other.worker.tip(), &block.header, 0, &[]);
    other.input(Input::Decided(Decision { certificate, value: value(&block), evidence: Vec::new() }));
    assert!(other.committed.is_empty());
    other.body(block.clone());
    assert_eq!(other.committed.len(), 1);
    assert_eq!(other.replica.tip().height, Height(1));
}

#[test]
fn a_block_that_was_fetched_is_judged_as_one_and_a_kept_body_is_sent_again() {
    let (mut builder, mut other) = pair();
    let block = next_block(&mut builder, 1);
    builder.sent.clear();
    builder.input(Input::Restream(value(&block)));
    assert_eq!(builder.sent, std::slice::from_ref(&block));
    let origin = |node: &mut Node| {
        let inputs = std::mem::take(&mut node.consensus);
        let origin = |input: &ConsensusInput| match input {
            ConsensusInput::Verdict { origin, .. } => Some(*origin),
            _ => None,
        };
        inputs.iter().filter_map(origin).collect::<Vec<_>>()
    };
    other.consensus.clear();
    other.input(Input::Judge(value(&block)));
    assert_eq!(origin(&mut other), [], "the body is missing");
    other.body(block.clone());
    assert_eq!(origin(&mut other), [Origin::Sync]);
    builder.consensus.clear();
    builder.input(Input::Judge(value(&block)));
    assert_eq!(origin(&mut builder), [Origin::Sync], "the body was there");
}
