//! A node whose state is not the one that the others have.

use crate::node::{Node, PEER, genesis, pay, value, worker};
use catenary_consensus::{Input as ConsensusInput, Peer, Verdict};
use catenary_crypto::Hash;
use catenary_replica::{Divergence, Input, PeerMessage, PeerTip, Recovered};
use catenary_types::{Block, Height};
use std::sync::Arc;

const OTHER: Hash = Hash([9; 32]);
const PEERS: [Peer; 3] = [PEER, Peer(10), Peer(11)];

/// One of four with its peers, after a block.
fn node() -> Node {
    let mut node = Node::start(worker(&genesis(4, |_| {})), Recovered::default());
    PEERS.into_iter().for_each(|peer| node.input(Input::Connected(peer)));
    commit(&mut node, 1);
    node
}

fn commit(node: &mut Node, request: u8) {
    let envelope = node.envelope('A', request, vec![pay()]);
    node.submit(vec![envelope]);
    node.commit();
}

fn tell(node: &mut Node, peer: Peer, height: Height, app_hash: Hash) {
    node.input(Input::Peer { peer, message: PeerMessage::Tip(PeerTip { height, app_hash }) });
}

/// The next block as a leader with another state builds it, given to the node.
fn block_on_another_state(node: &mut Node) -> Arc<Block> {
    let envelope = node.envelope('B', 7, vec![pay()]);
    let tip = node.worker.tip();
    let (builder, time) = (tip.next_validators.addresses()[1], tip.time.plus_ms(500));
    let mut header = tip.next_header(time, builder, std::slice::from_ref(&envelope));
    header.app_hash = OTHER;
    let last_certificate = tip.block.as_ref().map(|block| block.certificate.clone());
    let block = Arc::new(Block { header, last_certificate, envelopes: vec![envelope] });
    node.consensus.clear();
    node.body(block.clone());
    block
}

#[test]
fn a_block_on_another_state_is_refused_once_enough_others_have_this_one() {
    let mut node = node();
    let (height, ours) = (node.replica.tip().height, node.replica.tip().app_hash);
    let block = block_on_another_state(&mut node);
    tell(&mut node, PEERS[0], height, ours);
    tell(&mut node, PEERS[1], height, OTHER);
    assert_eq!((node.verdicts(), node.rejected.len()), (vec![], 0), "one against one says nothing");
    tell(&mut node, PEERS[2], height, ours);
    assert_eq!(node.verdicts(), [(value(&block), Verdict::Invalid)]);
    assert!(node.rejected[0].1.contains("has root"), "{:?}", node.rejected);
    assert_eq!(node.diverged, []);
}

#[test]
fn a_node_whose_state_others_do_not_have_stops_before_it_judges() {
    let mut node = node();
    let (height, ours) = (node.replica.tip().height, node.replica.tip().app_hash);
    block_on_another_state(&mut node);
    tell(&mut node, PEERS[0], height, OTHER);
    tell(&mut node, PEERS[0], height, OTHER);
    assert_eq!(node.diverged, [], "one of four may lie, however often");
    tell(&mut node, PEERS[1], height, OTHER);
    assert_eq!(node.diverged, [Divergence::Root { height, ours, theirs: OTHER }]);
    assert_eq!((node.verdicts(), node.replica.deadline(), node.replica.is_working()), (vec![], None, false));
    let step = node.replica.step(node.now, Input::Build { height: height.next(), round: 0 });
    assert!(step.effects.is_empty() && step.journal.is_empty(), "{step:?}");
}

#[test]
fn what_peers_that_are_ahead_told_is_compared_when_this_node_gets_there() {
    let mut node = node();
    let next = node.replica.tip().height.next();
    tell(&mut node, PEERS[0], next, OTHER);
    tell(&mut node, PEERS[1], next, OTHER);
    assert_eq!(node.diverged, []);
    commit(&mut node, 2);
    assert!(matches!(node.diverged[..], [Divergence::Root { height, .. }] if height == next));
    let begun =
        |input: &ConsensusInput| matches!(input, ConsensusInput::StartHeight(start) if start.height > next);
    assert!(!node.consensus.iter().any(begun), "it went on to the next height");
}

#[test]
fn who_finds_a_decided_block_invalid_stops() {
    let mut node = node();
    let block = block_on_another_state(&mut node);
    let height = block.header.height;
    node.input(Input::Contradicted { height, value: value(&block) });
    assert_eq!(node.diverged, [Divergence::Decision { height, value: value(&block) }]);
}
