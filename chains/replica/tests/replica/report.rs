//! Double votes that a decision brings to light are reported to the chain.

use crate::node::{Node, START, account, certify, genesis, key, pay, value, worker};
use catenary_consensus::{Decision, Evidence, Proposal, SignedProposal, SignedVote, Timeouts, ValueId, Vote};
use catenary_crypto::Hash;
use catenary_ledger::records::{AdminKey, Equivocation, ReadRecords};
use catenary_replica::{Effect, Input, Job, PeerMessage, Recovered, Replica, Reporter};
use catenary_types::{
    Address, Block, DoubleVote, Height, Timestamp, UnixSeconds, VoteKind, envelope::Transaction,
};
use std::sync::Arc;

/// The key of the validator that lies, and of another.
const LIAR: u8 = 3;
const OTHER_LIAR: u8 = 4;

/// One of four with a peer, which reports as bank B.
fn node() -> Node {
    let mut node = Node::start(worker(&genesis(4, |_| {})), Recovered::default());
    let tip = node.worker.tip().clone();
    let validator = Some(tip.next_validators.addresses()[0]);
    let reporter = Reporter { account: account('B'), key: Arc::new(key(b'B')) };
    node.replica = Replica::new(tip, validator, Timeouts::default()).reporting(Some(reporter));
    node.input(Input::Start(Recovered::default()));
    node.connected()
}

fn signed(node: &Node, liar: u8, (round, kind): (u32, VoteKind), value: Option<ValueId>) -> SignedVote {
    let tip = node.worker.tip();
    let validator = Address::of(&key(liar).public_key());
    let vote = Vote { kind, height: tip.height.next(), round, value, validator };
    SignedVote { vote, signature: key(liar).sign(&vote.sign_bytes(&tip.chain_id, tip.time)) }
}

/// A vote for nil after one for some block of the height that runs.
fn lie(node: &Node, liar: u8, step: (u32, VoteKind)) -> Evidence {
    let some = ValueId { block: Hash([liar; 32]), time: node.now };
    let (first, second) = (signed(node, liar, step, Some(some)), signed(node, liar, step, None));
    Evidence::DoubleVote { first, second, last_time: node.worker.tip().time }
}

/// Builds the next block out of a payment and decides it with evidence.
fn decide(node: &mut Node, request: u8, evidence: Vec<Evidence>) {
    let payment = node.envelope_until(valid_until(node), 'A', request, vec![pay()]);
    node.submit(vec![payment]);
    let block = node.build().unwrap();
    node.gossip.clear();
    decide_as(node, &block, evidence);
}

fn valid_until(node: &Node) -> UnixSeconds {
    UnixSeconds(node.now.seconds().0 + 300)
}

fn decide_as(node: &mut Node, block: &Block, evidence: Vec<Evidence>) {
    let certificate = certify(node.worker.tip(), &block.header, 0, &[]);
    node.input(Input::Decided(Decision { certificate, value: value(block), evidence }));
}

const STEP: (u32, VoteKind) = (2, VoteKind::Precommit);

/// Which of the liar's steps at height 1 are in the state.
fn recorded(node: &Node, liar: u8, (round, kind): (u32, VoteKind)) -> Option<Equivocation> {
    let validator = Address::of(&key(liar).public_key());
    let step = AdminKey::Equivocation { validator: &validator, height: Height(1), round, kind };
    node.worker.state().record(&step)
}

#[test]
fn a_double_vote_of_a_decision_is_in_the_next_block_and_succeeds() {
    let mut node = node();
    let evidence = lie(&node, LIAR, STEP);
    let Evidence::DoubleVote { first, second, .. } = evidence.clone() else { unreachable!() };
    decide(&mut node, 1, vec![evidence]);
    let [envelope] = &node.gossip[..] else { panic!("not told at once: {:?}", node.gossip) };
    let envelope = envelope.clone();
    let body = Transaction::decode(&envelope).unwrap().body;
    assert_eq!((body.sender, body.valid_until), (account('B'), valid_until(&node)));
    let committed = node.commit();
    assert_eq!(committed.executed.block.envelopes, [envelope]);
    let [receipt] = &committed.executed.receipts[..] else { panic!("one transaction, one receipt") };
    assert!(receipt.succeeded(), "{receipt:?}");
    assert_eq!(receipt.events[0].kind, "equivocation_reported");
    let Equivocation { votes, reporter, reported } = recorded(&node, LIAR, STEP).unwrap();
    assert_eq!((reporter, reported), (account('B'), Height(2)));
    let DoubleVote { first: nil, second: block, .. } = votes;
    assert_eq!((nil.block, nil.time, nil.signature), (None, START.start(), second.signature));
    assert_eq!((block.block, block.signature), (Some(Hash([LIAR; 32])), first.signature));
}

#[test]
fn nodes_that_saw_the_votes_in_another_order_report_one_transaction() {
    let (mut left, mut right) = (node(), node());
    let Evidence::DoubleVote { first, second, last_time } = lie(&left, LIAR, STEP) else { unreachable!() };
    decide(&mut left, 1, vec![Evidence::DoubleVote { first, second, last_time }]);
    decide(&mut right, 1, vec![Evidence::DoubleVote { first: second, second: first, last_time }]);
    assert_eq!((left.gossip.len(), &left.gossip), (1, &right.gossip));
}

#[test]
fn each_step_of_a_decision_is_reported_once_and_then_its_validator_is_left_alone() {
    let mut node = node();
    let prevote = (STEP.0, VoteKind::Prevote);
    let evidence = vec![
        lie(&node, LIAR, STEP),
        lie(&node, LIAR, prevote),
        lie(&node, LIAR, STEP),
        lie(&node, OTHER_LIAR, STEP),
    ];
    decide(&mut node, 1, evidence);
    assert_eq!(node.gossip.len(), 3);
    let id = |envelope: &Vec<u8>| Transaction::decode(envelope).unwrap().body.request_id;
    let first = id(&node.gossip[0]);
    let receipts = node.commit().executed.receipts;
    assert!(receipts.len() == 3 && receipts.iter().all(|receipt| receipt.succeeded()), "{receipts:?}");
    for (liar, step) in [(LIAR, STEP), (LIAR, prevote), (OTHER_LIAR, STEP)] {
        assert!(recorded(&node, liar, step).is_some(), "{liar} {step:?}");
    }
    // Ten minutes from the report, to the nanosecond.
    let since = node.now;
    for (request, now, reports) in
        [(2, Timestamp(since.plus_ms(600_000).0 - 1), 0), (3, since.plus_ms(600_000), 1)]
    {
        node.now = now;
        let evidence = lie(&node, LIAR, STEP);
        decide(&mut node, request, vec![evidence]);
        assert_eq!(node.gossip.len(), reports, "{now:?}");
    }
    assert_ne!(id(&node.gossip[0]), first, "another height, another report");
}

#[test]
fn one_decision_makes_so_many_reports_and_no_more() {
    let mut node = node();
    let evidence = (0..40).map(|round| lie(&node, LIAR, (round, VoteKind::Prevote))).collect();
    decide(&mut node, 1, evidence);
    assert_eq!(node.gossip.len(), 16);
}

#[test]
fn who_has_no_reporter_and_what_is_no_double_vote_lead_to_no_report() {
    let mut silent = Node::start(worker(&genesis(4, |_| {})), Recovered::default()).connected();
    let evidence = lie(&silent, LIAR, STEP);
    decide(&mut silent, 1, vec![evidence]);
    assert_eq!((silent.gossip.len(), silent.replica.pool_len()), (0, 0));
    let mut node = node();
    let proposal = |byte: u8| {
        let value = ValueId { block: Hash([byte; 32]), time: node.now };
        let proposer = Address::of(&key(LIAR).public_key());
        let proposal = Proposal { height: Height(1), round: 0, pol_round: None, value, proposer };
        SignedProposal {
            proposal,
            signature: key(LIAR).sign(&proposal.sign_bytes(&node.worker.tip().chain_id)),
        }
    };
    let twice = Evidence::DoubleProposal { first: proposal(1), second: proposal(2) };
    decide(&mut node, 1, vec![twice]);
    assert_eq!((node.gossip.len(), node.replica.pool_len()), (0, 0));
}

#[test]
fn what_was_decided_long_after_it_was_built_is_reported_all_the_same() {
    let mut node = node();
    let payment = node.envelope_until(valid_until(&node), 'A', 1, vec![pay()]);
    node.submit(vec![payment]);
    let block = node.build().unwrap();
    let evidence = lie(&node, LIAR, STEP);
    node.now = node.now.plus_ms(3_600_000);
    decide_as(&mut node, &block, vec![evidence]);
    assert!(node.commit().executed.receipts[0].succeeded());
    assert!(recorded(&node, LIAR, STEP).is_some());
}

#[test]
fn a_report_answers_nobody() {
    let mut node = node();
    let payment = node.envelope_until(valid_until(&node), 'A', 1, vec![pay()]);
    node.submit(vec![payment]);
    let block = node.build().unwrap();
    let (certificate, evidence) =
        (certify(node.worker.tip(), &block.header, 0, &[]), vec![lie(&node, LIAR, STEP)]);
    let decision = Decision { certificate, value: value(&block), evidence };
    let effects = node.replica.step(node.now, Input::Decided(decision)).effects;
    let [Effect::Work(admit), Effect::Work(Job::Execute { .. })] = &effects[..] else {
        panic!("{effects:?}")
    };
    let admitted = node.worker.run(admit.clone());
    let effects = node.replica.step(node.now, Input::Done(admitted)).effects;
    let [Effect::Send { message: PeerMessage::Transactions(told), .. }] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!((told.len(), node.replica.pool_len()), (1, 2));
}
