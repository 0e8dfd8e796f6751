//! A node without a block, and others far ahead: whom it asks for a snapshot, and what it makes of the answers.

use crate::{
    node::{Node, genesis, worker},
    snapshot::{HEIGHT, Sample, rewritten, sample},
};
use catenary_consensus::{Peer, Timeouts};
use catenary_crypto::Hash;
use catenary_replica::{
    Effect, Input, Manifest, PeerMessage, PeerTip, Recipients, Recovered, Replica, SNAPSHOT_WORTH_BLOCKS,
    Snapshot, SnapshotPart,
};
use catenary_types::Height;
use std::sync::Arc;

const ONE: Peer = Peer(1);
const TWO: Peer = Peer(2);
/// How long an answer may take.
const TIMEOUT_MS: u64 = 10_000;

/// A node that two others are far ahead of, and what it sends them.
struct Behind {
    node: Node,
    sent: Vec<(Peer, PeerMessage)>,
    refused: Vec<(Peer, String)>,
    restored: Option<Arc<Snapshot>>,
}

impl Behind {
    fn by(blocks: u64) -> Self {
        Self::fetching(true, blocks)
    }

    fn fetching(fetches: bool, blocks: u64) -> Self {
        let worker = worker(&genesis(4, |_| {}));
        let mut node = Node::start(worker, Recovered::default());
        node.replica =
            Replica::new(node.worker.tip().clone(), None, Timeouts::default()).fetching_snapshots(fetches);
        node.input(Input::Start(Recovered::default()));
        let mut behind = Self { node, sent: Vec::new(), refused: Vec::new(), restored: None };
        for peer in [ONE, TWO] {
            behind.input(Input::Connected(peer));
        }
        for peer in [ONE, TWO] {
            let tip = PeerTip { height: Height(blocks), app_hash: Hash::default() };
            behind.input(Input::Peer { peer, message: PeerMessage::Tip(tip) });
        }
        behind
    }

    fn input(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let step = self.node.replica.step(self.node.now, input);
            self.node.replica.check_invariants();
            for effect in step.effects {
                match effect {
                    Effect::Work(job) => inputs.push(Input::Done(self.node.worker.run(job))),
                    Effect::Send { to: Recipients::One(peer), message } => self.sent.push((peer, message)),
                    Effect::SnapshotRefused { peer, error } => self.refused.push((peer, error.to_string())),
                    Effect::Restore(snapshot) => self.restored = Some(snapshot),
                    _ => {}
                }
            }
        }
    }

    fn answer(&mut self, peer: Peer, message: PeerMessage) {
        self.input(Input::Peer { peer, message });
    }

    /// What it asked for since it was last looked at.
    fn asked(&mut self) -> Vec<(Peer, String)> {
        let asked = std::mem::take(&mut self.sent).into_iter().map(|(peer, message)| match message {
            PeerMessage::FetchSnapshot(SnapshotPart::Manifest) => (peer, "manifest".into()),
            PeerMessage::FetchSnapshot(SnapshotPart::Chunk { height, index }) => {
                (peer, format!("chunk {height}/{index}"))
            }
            PeerMessage::Fetch(from) => (peer, format!("blocks from {from}")),
            other => panic!("{other:?}"),
        });
        asked.collect()
    }
}

fn manifest(manifest: &Manifest) -> PeerMessage {
    PeerMessage::Manifest(Some(Arc::new(manifest.clone())))
}

fn chunk(index: u32, bytes: &[u8]) -> PeerMessage {
    PeerMessage::Chunk { height: HEIGHT, index, bytes: bytes.to_vec() }
}

fn asks(peer: Peer, what: &str) -> Vec<(Peer, String)> {
    vec![(peer, what.to_owned())]
}

#[test]
fn a_node_far_behind_asks_one_peer_and_begins_with_what_verifies() {
    let Sample { manifest: listed, chunks, .. } = sample();
    let mut behind = Behind::by(SNAPSHOT_WORTH_BLOCKS);
    assert_eq!(behind.asked(), asks(ONE, "manifest"));
    // Nobody else was asked.
    behind.answer(TWO, manifest(&listed));
    assert_eq!(behind.asked(), []);
    behind.answer(ONE, manifest(&listed));
    assert_eq!(behind.asked(), asks(ONE, "chunk 8/0"));
    behind.answer(ONE, chunk(1, &chunks[0]));
    behind.answer(TWO, chunk(0, &chunks[0]));
    assert!(behind.restored.is_none());
    behind.answer(ONE, chunk(0, &chunks[0]));
    let restored = behind.restored.take().unwrap();
    assert_eq!((restored.manifest.manifest(), &restored.chunks), (&listed, &chunks));
    assert_eq!((behind.asked(), behind.refused.len()), (vec![], 0));
    // It does nothing more.
    behind.input(Input::Fired);
    assert_eq!((behind.asked(), behind.node.replica.deadline()), (vec![], None));
}

#[test]
fn a_node_a_little_behind_or_that_wants_every_block_fetches_blocks() {
    let mut behind = Behind::by(SNAPSHOT_WORTH_BLOCKS - 1);
    assert_eq!(behind.asked(), asks(ONE, "blocks from 1"));
    let mut whole = Behind::fetching(false, SNAPSHOT_WORTH_BLOCKS);
    assert_eq!(whole.asked(), asks(ONE, "blocks from 1"));
}

#[test]
fn liars_are_asked_no_more_and_then_blocks_are_fetched() {
    let sample = sample();
    let mut behind = Behind::by(SNAPSHOT_WORTH_BLOCKS);
    assert_eq!(behind.asked(), asks(ONE, "manifest"));
    let mut forged = sample.manifest.clone();
    forged.after.certificate.round += 1;
    behind.answer(ONE, manifest(&forged));
    assert_eq!(behind.asked(), asks(TWO, "manifest"));
    assert!(behind.refused[0].1.contains("header 9: the signature of entry 0"), "{:?}", behind.refused);
    // Its manifest is in order, its content is not.
    let (other, chunks) = rewritten(&sample, |chunk| *chunk.entries[0].value.last_mut().unwrap() ^= 1);
    behind.answer(TWO, manifest(&other));
    assert_eq!(behind.asked(), asks(TWO, "chunk 8/0"));
    behind.answer(TWO, chunk(0, &chunks[0]));
    assert_eq!(behind.asked(), asks(ONE, "blocks from 1"));
    let refused: Vec<_> = behind.refused.iter().map(|(peer, _)| *peer).collect();
    assert_eq!(refused, [ONE, TWO]);
    assert!(behind.restored.is_none());
}

#[test]
fn a_chunk_that_is_not_the_listed_one_is_refused_at_once() {
    let sample = sample();
    let mut behind = Behind::by(SNAPSHOT_WORTH_BLOCKS);
    behind.answer(ONE, manifest(&sample.manifest));
    behind.asked();
    behind.answer(ONE, chunk(0, b"something else"));
    assert_eq!(behind.asked(), asks(TWO, "manifest"));
    assert!(behind.refused[0].1.starts_with("chunk 0: expected "), "{:?}", behind.refused);
}

#[test]
fn who_has_none_answers_late_or_leaves_makes_way_for_the_next() {
    let sample = sample();
    let mut behind = Behind::by(SNAPSHOT_WORTH_BLOCKS);
    assert_eq!(behind.asked(), asks(ONE, "manifest"));
    let deadline = behind.node.now.plus_ms(TIMEOUT_MS);
    assert!(behind.node.replica.deadline().is_some_and(|at| at <= deadline));
    behind.node.now = deadline;
    behind.input(Input::Fired);
    assert_eq!(behind.asked(), asks(TWO, "manifest"));
    // Too late.
    behind.answer(ONE, manifest(&sample.manifest));
    assert_eq!(behind.asked(), []);
    behind.answer(TWO, manifest(&sample.manifest));
    assert_eq!(behind.asked(), asks(TWO, "chunk 8/0"));
    behind.input(Input::Disconnected(TWO));
    assert_eq!(behind.asked(), asks(ONE, "manifest"));
    // It has a newer one by the time its chunk is asked for.
    behind.answer(ONE, manifest(&sample.manifest));
    behind.asked();
    behind.answer(ONE, chunk(0, &[]));
    assert_eq!(behind.asked(), asks(ONE, "manifest"));
    behind.answer(ONE, PeerMessage::Manifest(None));
    assert_eq!(behind.asked(), asks(ONE, "blocks from 1"));
    assert!(behind.refused.is_empty(), "{:?}", behind.refused);
}

#[test]
fn peers_that_never_answer_are_given_up() {
    let mut behind = Behind::by(SNAPSHOT_WORTH_BLOCKS);
    let mut asked = behind.asked();
    for _ in 0..20 {
        behind.node.now = behind.node.now.plus_ms(TIMEOUT_MS);
        behind.input(Input::Fired);
        asked.extend(behind.asked());
    }
    let manifests = asked.iter().take_while(|(_, what)| what == "manifest").count();
    assert!((2..10).contains(&manifests), "{asked:?}");
    assert!(asked[manifests..].iter().all(|(_, what)| what == "blocks from 1"), "{asked:?}");
    assert!(asked.len() > manifests);
}
