//! When a node asks for a block: at once after idleness, then paced; a seal at once; a heartbeat; else never.

use crate::node::{Node, pay};
use catenary_consensus::{Input as ConsensusInput, Start, Voting};
use catenary_replica::{Input, Recovered, Replica};
use catenary_types::{Timestamp, time::NANOS_PER_SECOND};

fn pay_once(node: &mut Node, request: u8) {
    let envelope = node.envelope('A', request, vec![pay()]);
    node.submit(vec![envelope]);
}

#[test]
fn the_first_transaction_wakes_a_chain_that_sleeps_and_the_seal_follows_at_once() {
    let mut node = Node::alone(|_| {});
    assert_eq!((node.started().start, node.started().voting), (Start::WhenNeeded, Voting::Vote));
    assert_eq!((node.replica.deadline(), node.replica.is_working()), (None, false));
    node.consensus.clear();
    pay_once(&mut node, 1);
    assert!(node.woken() && node.replica.is_working());
    let first = node.commit();
    assert_eq!(first.executed.tip.height.0, 1);
    assert_eq!(node.started().start, Start::Now, "the state after the block is to be proven");
    let seal = node.commit();
    assert!(seal.executed.block.envelopes.is_empty());
    assert_eq!(node.started().start, Start::WhenNeeded);
    assert!(!node.replica.is_working() && node.build().is_none(), "an idle chain builds nothing");
}

#[test]
fn later_blocks_keep_the_interval_unless_they_are_full() {
    let mut node = Node::alone(|parameters| parameters.block_interval_ms_min = 200);
    pay_once(&mut node, 1);
    node.commit();
    node.commit();
    node.consensus.clear();
    pay_once(&mut node, 2);
    let due = node.replica.tip().time.plus_ms(200);
    assert_eq!((node.woken(), node.replica.deadline()), (false, Some(due)));
    node.now = Timestamp(due.0 - 1);
    node.input(Input::Fired);
    assert!(!node.woken());
    node.now = due;
    node.input(Input::Fired);
    assert!(node.woken());

    let bytes = node.envelope('A', 2, vec![pay()]).len() as u64;
    let mut node = Node::alone(|parameters| {
        (parameters.block_interval_ms_min, parameters.block_bytes_max) = (200, 4 * bytes);
    });
    pay_once(&mut node, 1);
    node.commit();
    node.commit();
    node.consensus.clear();
    for (request, full) in [(2, false), (3, false), (4, false), (5, true), (6, false)] {
        pay_once(&mut node, request);
        assert_eq!(node.woken(), full, "after transaction {request}; it wakes once");
    }
    assert!(node.replica.is_working());
}

#[test]
fn an_idle_chain_makes_a_heartbeat_when_it_is_due_and_not_before() {
    let mut node = Node::alone(|parameters| parameters.idle_interval_s = 60);
    assert_eq!(node.replica.deadline(), None, "a chain that never began has no clients to keep");
    pay_once(&mut node, 1);
    node.commit();
    node.commit();
    node.consensus.clear();
    let due = Timestamp(node.replica.tip().time.0 + 60 * NANOS_PER_SECOND);
    assert_eq!(node.replica.deadline(), Some(due));
    node.now = Timestamp(due.0 - 1);
    node.input(Input::Fired);
    assert!(!node.woken() && node.build().is_none());
    node.now = due;
    node.input(Input::Fired);
    assert!(node.woken());
    let heartbeat = node.commit();
    assert!(heartbeat.executed.block.envelopes.is_empty());
    assert_eq!(heartbeat.executed.tip.time, due);
    assert_eq!(node.started().start, Start::WhenNeeded, "a heartbeat needs no seal");
}

#[test]
fn header_times_increase_whatever_the_clock_does() {
    let mut node = Node::alone(|_| {});
    node.now = Timestamp(node.now.0 - 5 * NANOS_PER_SECOND);
    let genesis = node.replica.tip().time;
    pay_once(&mut node, 1);
    // The machine saw a later clock before, and a clock never goes back for it.
    assert_eq!(node.commit().executed.tip.time, genesis.plus_ms(1_000));
    let mut node = Node::start(node.worker, Recovered::default());
    node.replica = Replica::new(
        node.worker.tip().clone(),
        Some(node.started().validators.addresses()[0]),
        node.started().timeouts,
    );
    node.now = Timestamp(0);
    node.input(Input::Start(Recovered::default()));
    let seal = node.commit();
    assert_eq!(seal.executed.tip.time, Timestamp(genesis.plus_ms(1_000).0 + 1));
}

#[test]
fn who_only_observes_builds_nothing() {
    let mut node = Node::alone(|_| {});
    node.replica = Replica::new(node.worker.tip().clone(), None, node.started().timeouts);
    node.input(Input::Start(Recovered::default()));
    assert_eq!(node.started().voting, Voting::Follow);
    pay_once(&mut node, 1);
    assert!(node.build().is_none());
    assert!(!node.consensus.iter().any(|input| matches!(input, ConsensusInput::Propose { .. })));
}
