//! A node among others: whatever one of them tells it, nothing becomes final by it, and nothing breaks.

use crate::{
    alteration::altered,
    input::Input,
    world::{CHAIN, World, certificate, second},
};
use catenary_consensus::{Peer, Timeouts};
use catenary_crypto::Hash;
use catenary_replica::{
    Effect, FetchedBlock, Input as ReplicaInput, PeerMessage, PeerTip, Recovered, Replica, SnapshotPart,
};
use catenary_types::{Block, Height, Message, Timestamp};
use std::{cell::RefCell, sync::Arc};

const PEER: Peer = Peer(7);
/// Inputs of one run.
const STEPS_MAX: usize = 12;

thread_local! {
    static WORLD: RefCell<World> = RefCell::new(World::new());
}

/// Tells a node what one peer can say: bodies, transactions, tips, requests, fetched blocks. Blocks may be good ones; none
/// is final, since consensus is not asked.
pub fn node_messages(data: &[u8]) {
    WORLD.with_borrow_mut(|world| {
        let mut input = Input::new(data);
        let tip = world.worker.tip().clone();
        let validator = Some(tip.next_validators.addresses()[0]);
        let mut replica = Replica::new(tip.clone(), validator, Timeouts::default());
        let mut now = second(2);
        feed(world, &mut replica, now, ReplicaInput::Start(Recovered::default()));
        feed(world, &mut replica, now, ReplicaInput::Connected(PEER));
        for _ in 0..STEPS_MAX {
            let next = match input.byte() % 8 {
                0 => {
                    now = now.plus_ms(u64::from(input.byte()) * 100);
                    ReplicaInput::Fired
                }
                1 => ReplicaInput::Ahead { peer: PEER, height: Height(input.number()) },
                2 => ReplicaInput::SyncRefused(PEER),
                _ => ReplicaInput::Peer { peer: PEER, message: peer_message(world, &mut input) },
            };
            feed(world, &mut replica, now, next);
            assert_eq!(*replica.tip(), tip, "a peer moved the chain");
            if input.is_empty() {
                return;
            }
        }
    });
}

fn peer_message(world: &World, input: &mut Input<'_>) -> PeerMessage {
    match input.byte() % 8 {
        0 => PeerMessage::Body(Arc::new(any_block(world, input))),
        1 => {
            let envelope = |input: &mut Input<'_>| {
                let payment = &world.payments[input.below(world.payments.len())];
                if input.one_in(2) { payment.clone() } else { altered(input, payment) }
            };
            PeerMessage::Transactions((0..=input.below(4)).map(|_| envelope(input)).collect())
        }
        2 => PeerMessage::Tip(PeerTip { height: Height(input.number()), app_hash: Hash([input.byte(); 32]) }),
        3 => PeerMessage::Fetch(Height(input.number())),
        4 => PeerMessage::FetchSnapshot(SnapshotPart::Chunk {
            height: Height(input.number()),
            index: u32::from(input.byte()),
        }),
        5 => PeerMessage::Manifest(None),
        6 => PeerMessage::Chunk {
            height: Height(input.number()),
            index: u32::from(input.byte()),
            bytes: vec![input.byte(); input.below(3)],
        },
        _ => {
            let fetched = |input: &mut Input<'_>| {
                let block = any_block(world, input);
                let mut certificate = certificate(&block.header, &world.worker.tip().next_validators, CHAIN);
                if input.one_in(2) {
                    certificate.height = Height(input.number());
                }
                FetchedBlock { block: Arc::new(block), certificate }
            };
            PeerMessage::Blocks((0..=input.below(3)).map(|_| fetched(input)).collect())
        }
    }
}

/// The next block, altered; or with a header that no decoder would give.
fn any_block(world: &World, input: &mut Input<'_>) -> Block {
    let mut block = world.block.clone();
    match input.byte() % 4 {
        0 => block.header.time = Timestamp(input.number()),
        1 => block.header.height = Height(input.number() >> 1),
        2 => {
            let bytes = altered(input, &block.encode());
            block = Block::decode(&bytes).unwrap_or(block);
        }
        _ => {}
    }
    block
}

/// Feeds an input and does at once what it leads to.
fn feed(world: &mut World, replica: &mut Replica, now: Timestamp, input: ReplicaInput) {
    let mut inputs = vec![input];
    let mut steps = 0;
    while let Some(input) = inputs.pop() {
        steps += 1;
        assert!(steps < 100, "the node goes round in circles");
        let step = replica.step(now, input);
        replica.check_invariants();
        for effect in step.effects {
            match effect {
                Effect::Work(job) => inputs.push(ReplicaInput::Done(world.worker.run(job))),
                Effect::Committed(_) | Effect::Diverged(_) | Effect::Restore(_) => {
                    panic!("one peer led to {effect:?}")
                }
                Effect::Consensus(_)
                | Effect::Reply { .. }
                | Effect::Send { .. }
                | Effect::Serve { .. }
                | Effect::ServeSnapshot { .. }
                | Effect::SnapshotRefused { .. }
                | Effect::Rejected { .. } => {}
            }
        }
    }
}
