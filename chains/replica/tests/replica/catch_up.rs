//! A node that is behind: whom it asks, when, and what it makes of the answers.

use crate::node::{Node, PEER, from_peer, genesis, pay, value, worker};
use catenary_consensus::{Input as ConsensusInput, Origin, Peer, Verdict};
use catenary_crypto::Hash;
use catenary_replica::{Effect, FetchedBlock, Input, PeerMessage, PeerTip, Recipients, Recovered};
use catenary_types::{Height, Timestamp};
use std::sync::Arc;

/// How long a node that is a block behind waits for its own group, and how long for an answer, in milliseconds.
const GRACE_MS: u64 = 50;
const TIMEOUT_MS: u64 = 2_000;

fn node() -> Node {
    Node::start(worker(&genesis(4, |_| {})), Recovered::default()).connected()
}

/// The first blocks of the chain, as a peer that has them sends them.
fn blocks(count: u8) -> Vec<FetchedBlock> {
    let mut builder = node();
    let mut blocks = Vec::new();
    for request in 1..=count {
        let envelope = builder.envelope('A', request, vec![pay()]);
        builder.submit(vec![envelope]);
        let block = builder.build().unwrap();
        builder.decide(&block);
        let certificate = builder.replica.tip().block.as_ref().unwrap().certificate.clone();
        blocks.push(FetchedBlock { block, certificate });
    }
    blocks
}

fn tip(height: u64) -> Input {
    tip_of(PEER, height)
}

fn tip_of(peer: Peer, height: u64) -> Input {
    let tip = PeerTip { height: Height(height), app_hash: Hash::default() };
    Input::Peer { peer, message: PeerMessage::Tip(tip) }
}

/// Who is asked for what in one step.
fn asked(node: &mut Node, at: Timestamp, input: Input) -> Vec<(Recipients, Height)> {
    let step = node.replica.step(at, input);
    node.replica.check_invariants();
    let fetch = |effect| match effect {
        Effect::Send { to, message: PeerMessage::Fetch(from) } => Some((to, from)),
        _ => None,
    };
    step.effects.into_iter().filter_map(fetch).collect()
}

#[test]
fn a_block_behind_waits_a_moment_and_far_behind_asks_at_once() {
    let mut node = node();
    let now = node.now;
    assert_eq!(asked(&mut node, now, tip(1)), []);
    assert_eq!(node.replica.deadline(), Some(now.plus_ms(GRACE_MS)));
    let due = now.plus_ms(GRACE_MS);
    assert_eq!(asked(&mut node, due, Input::Fired), [(Recipients::One(PEER), Height(1))]);
    assert_eq!(asked(&mut node, due, Input::Fired), [], "one request at a time");

    let mut node = self::node();
    assert_eq!(asked(&mut node, now, tip(100)), [(Recipients::One(PEER), Height(1))]);
}

#[test]
fn who_does_not_answer_in_time_is_not_the_next_one_asked() {
    let mut node = node();
    let (now, other) = (node.now, Peer(10));
    node.input(Input::Connected(other));
    assert_eq!(asked(&mut node, now, tip(100)), [(Recipients::One(PEER), Height(1))]);
    assert_eq!(asked(&mut node, now, tip_of(other, 100)), []);
    let late = now.plus_ms(TIMEOUT_MS);
    assert_eq!(asked(&mut node, late, Input::Fired), [(Recipients::One(other), Height(1))]);
    assert_eq!(asked(&mut node, late, Input::Disconnected(other)), [(Recipients::One(PEER), Height(1))]);
}

#[test]
fn fetched_blocks_go_to_consensus_one_height_after_the_other_and_are_judged_when_it_says_so() {
    let fetched = blocks(2);
    let mut node = node();
    let now = node.now;
    asked(&mut node, now, tip(100));
    node.consensus.clear();
    node.input(from_peer(PeerMessage::Blocks(fetched.clone())));
    let synced = |input: &ConsensusInput| match input {
        ConsensusInput::Synced { peer, certificate, .. } => Some((*peer, certificate.height)),
        _ => None,
    };
    let fed: Vec<_> = node.consensus.drain(..).filter_map(|input| synced(&input)).collect();
    assert_eq!(fed, [(PEER, Height(1))], "the certificate first, and no block before its turn");
    assert_eq!(node.journal.len(), 0, "nothing is believed yet");

    node.input(Input::Judge(value(&fetched[0].block)));
    let verdicts = node.consensus.drain(..).filter(|input| {
        matches!(input, ConsensusInput::Verdict { verdict: Verdict::Valid, origin: Origin::Sync, .. })
    });
    assert_eq!(verdicts.count(), 1);
    node.decide(&fetched[0].block);
    let fed: Vec<_> = node.consensus.drain(..).filter_map(|input| synced(&input)).collect();
    assert_eq!(fed, [(PEER, Height(2))]);
}

#[test]
fn a_fetched_block_with_another_body_is_fetched_again_elsewhere_and_stops_nobody() {
    let fetched = blocks(1);
    let mut forged = fetched[0].clone();
    Arc::make_mut(&mut forged.block).envelopes[0].push(0);
    let mut node = node();
    let (now, other) = (node.now, Peer(10));
    node.input(Input::Connected(other));
    assert_eq!(asked(&mut node, now, tip(100)), [(Recipients::One(PEER), Height(1))]);
    node.input(tip_of(other, 100));
    node.input(from_peer(PeerMessage::Blocks(vec![forged])));
    node.consensus.clear();
    node.input(Input::Judge(value(&fetched[0].block)));
    assert_eq!(node.verdicts(), [], "the block that a quorum decided is not this one");
    let later = now.plus_ms(TIMEOUT_MS);
    assert_eq!(asked(&mut node, later, Input::Fired), [(Recipients::One(other), Height(1))]);
    node.now = later;
    node.input(Input::Peer { peer: other, message: PeerMessage::Blocks(fetched.clone()) });
    node.input(Input::Judge(value(&fetched[0].block)));
    assert_eq!(node.verdicts(), [(value(&fetched[0].block), Verdict::Valid)]);
}

#[test]
fn answers_that_nobody_asked_for_or_that_do_not_fit_are_dropped() {
    let fetched = blocks(2);
    let mut swapped = fetched[0].clone();
    swapped.certificate = fetched[1].certificate.clone();
    let mut unasked = node();
    unasked.consensus.clear();
    unasked.input(from_peer(PeerMessage::Blocks(fetched.clone())));
    assert!(unasked.consensus.is_empty(), "{:?}", unasked.consensus);

    for answer in [vec![swapped], vec![fetched[1].clone()], Vec::new()] {
        let mut node = node();
        let now = node.now;
        asked(&mut node, now, tip(3));
        asked(&mut node, now.plus_ms(GRACE_MS), Input::Fired);
        node.consensus.clear();
        node.input(from_peer(PeerMessage::Blocks(answer)));
        assert!(node.consensus.is_empty(), "{:?}", node.consensus);
        let again = now.plus_ms(3 * GRACE_MS);
        assert_eq!(asked(&mut node, again, Input::Fired), [(Recipients::One(PEER), Height(1))]);
    }
}

#[test]
fn a_decision_whose_body_is_missing_is_carried_out_once_a_peer_sends_it() {
    let fetched = blocks(1).remove(0);
    let mut node = node();
    let decision = catenary_consensus::Decision {
        certificate: fetched.certificate.clone(),
        value: value(&fetched.block),
        evidence: Vec::new(),
    };
    node.input(Input::Decided(decision));
    assert_eq!(node.committed.len(), 0);
    node.body(Arc::clone(&fetched.block));
    assert_eq!(node.replica.tip().height, Height(1));
}

#[test]
fn a_peer_that_claims_what_it_does_not_have_is_asked_no_more_than_now_and_then() {
    let mut node = node();
    let now = node.now;
    assert_eq!(asked(&mut node, now, tip(1_000)), [(Recipients::One(PEER), Height(1))]);
    assert_eq!(asked(&mut node, now, from_peer(PeerMessage::Blocks(Vec::new()))), []);
    let later = now.plus_ms(GRACE_MS);
    assert_eq!(asked(&mut node, later, Input::Fired), [(Recipients::One(PEER), Height(1))]);
}

#[test]
fn who_has_forgotten_what_it_signed_counts_only_peers_that_say_how_far_they_are() {
    let mut node = node();
    for peer in [10, 11] {
        node.input(Input::Connected(Peer(peer)));
    }
    node.consensus.clear();
    node.input(Input::Forgotten);
    assert!(node.consensus.is_empty(), "three are connected, none has said anything: {:?}", node.consensus);
    for peer in [PEER, Peer(10), Peer(11)] {
        assert!(node.consensus.is_empty(), "not yet: {:?}", node.consensus);
        let tip = PeerTip { height: Height(0), app_hash: node.replica.tip().app_hash };
        node.input(Input::Peer { peer, message: PeerMessage::Tip(tip) });
    }
    assert!(matches!(&node.consensus[..], [ConsensusInput::Raise(mark)] if mark.height == Height(2)));
}
