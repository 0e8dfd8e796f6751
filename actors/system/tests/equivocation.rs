//! A validator that votes twice is found out by the others and reported on the chain, without anybody's help.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use catenary_consensus::{Message, Peer, SignedVote, ValueId, Vote};
use catenary_crypto::{Hash, SigningKey};
use catenary_links::{ChainClient, Frame, WireEnd, pair};
use catenary_replica::PeerMessage;
use catenary_runtime::now;
use catenary_system::{
    Node,
    testing::{Bank, run, settle, soon, start_as},
};
use catenary_types::{Address, ChainId, Event, Height, Timestamp, VoteKind};
use futures::StreamExt;
use std::sync::Arc;
use tempfile::TempDir;

/// The validator whose link lies. The fourth of the group does not run, so that nothing is decided without this one's votes.
const LIAR: usize = 2;

/// Says for each prevote of height 1 that passes what contradicts it.
struct Lie {
    chain: ChainId,
    key: SigningKey,
    begins: Timestamp,
}

impl Lie {
    fn about(&self, frame: &Frame) -> Option<Frame> {
        let PeerMessage::Consensus(Message::Vote(SignedVote { vote, .. })) = &frame.message else {
            return None;
        };
        let own = vote.validator == Address::of(&self.key.public_key());
        if !own || vote.kind != VoteKind::Prevote || vote.height != Height(1) {
            return None;
        }
        let other = ValueId { block: Hash([7; 32]), time: self.begins.plus_ms(1) };
        let vote = Vote { value: vote.value.is_none().then_some(other), ..*vote };
        let signature = self.key.sign(&vote.sign_bytes(&self.chain, self.begins));
        let message = PeerMessage::Consensus(Message::Vote(SignedVote { vote, signature }));
        Some(Frame { chain: self.chain.clone(), message })
    }
}

/// Carries frames between the liar's end of a link and another node's.
async fn carry(lie: Arc<Lie>, mut liar: WireEnd, mut other: WireEnd) {
    loop {
        tokio::select! {
            Some(frame) = liar.receiver.recv() => {
                let lie = lie.about(&frame);
                for frame in [Some(frame), lie].into_iter().flatten() {
                    // A node that is gone hears nothing.
                    let _ = other.sender.send(frame).await;
                }
            }
            Some(frame) = other.receiver.recv() => {
                let _ = liar.sender.send(frame).await;
            }
            else => return,
        }
    }
}

/// Joins two nodes; what is between may lie.
fn join(nodes: &[Node], (first, second): (usize, usize), lie: &Arc<Lie>) {
    let (end, far_end) = pair();
    nodes[first].connect(Peer(second as u64), end);
    if second == LIAR {
        let (liar, own_end) = pair();
        nodes[second].connect(Peer(first as u64), own_end);
        actix::spawn(carry(lie.clone(), liar, far_end));
    } else {
        nodes[second].connect(Peer(first as u64), far_end);
    }
}

#[test]
fn a_validator_that_votes_twice_is_reported_on_the_chain() {
    let bank = Bank::with_validators(4, "one", now());
    let folders: Vec<TempDir> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let key = bank.validator_key(LIAR);
    let liar = Address::of(&key.public_key()).to_string();
    let lie = Arc::new(Lie { chain: bank.chain_id().clone(), key, begins: bank.begins() });
    run(async {
        let mut nodes = Vec::new();
        for (validator, folder) in folders.iter().enumerate() {
            let banks = std::slice::from_ref(&bank);
            nodes.push(start_as(validator, folder.path(), banks).await.unwrap().0);
        }
        for ends in [(0, 1), (0, LIAR), (1, LIAR)] {
            join(&nodes, ends, &lie);
        }
        settle(&nodes[0].chains()[0], bank.envelope(1)).await;
        for node in &nodes {
            let event = soon(reported(&node.chains()[0])).await;
            let told = ["validator", "height", "kind"].map(|name| event.text(name).unwrap());
            assert_eq!(told, [&*liar, "1", "prevote"]);
        }
    });
}

/// The first report in the chain's blocks.
async fn reported(chain: &impl ChainClient) -> Event {
    let mut blocks = chain.final_blocks(Height(1)).await.unwrap().blocks;
    loop {
        let block = blocks.next().await.unwrap().unwrap();
        let mut events = block.receipts.iter().flat_map(|receipt| &receipt.events);
        if let Some(event) = events.find(|event| event.kind == "equivocation_reported") {
            return event.clone();
        }
    }
}
