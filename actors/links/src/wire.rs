//! A link between two nodes: frames of all chains, in order, in both directions.
//!
//! A link is a pair of bounded queues, whatever carries them. [`pair`] joins two nodes of one process, [`crate::peers`] those
//! of two; [`Impairment`] makes a link within a process slow or lossy, [`Switch`] silences it.

use catenary_replica::PeerMessage;
use catenary_types::ChainId;
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};

/// Frames that a link holds in one direction. Few, so that what is urgent need not wait behind what is not: senders keep
/// their own lanes.
pub const WIRE_FRAMES: usize = 64;

/// A message of one chain on its way between two nodes.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The chain.
    pub chain: ChainId,
    /// The message.
    pub message: PeerMessage,
}

/// One node's end of a link.
#[derive(Debug)]
pub struct WireEnd {
    /// Towards the other node.
    pub sender: mpsc::Sender<Frame>,
    /// From the other node; ends when the link is down.
    pub receiver: mpsc::Receiver<Frame>,
}

/// What a simulated link does to frames, in each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Impairment {
    /// How long a frame is under way.
    pub delay: Duration,
    /// How many of 10,000 frames get lost.
    pub loss_per_10_000: u16,
    /// Decides which.
    pub seed: u64,
}

/// Cuts simulated links and joins them again: while it is off, every frame gets lost.
#[derive(Clone, Debug, Default)]
pub struct Switch(Arc<AtomicBool>);

impl Switch {
    /// Cuts the links.
    pub fn cut(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Joins them again.
    pub fn join(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Whether they are cut.
    pub fn is_cut(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A link between two nodes of this process.
pub fn pair() -> (WireEnd, WireEnd) {
    let (to_second, from_first) = mpsc::channel(WIRE_FRAMES);
    let (to_first, from_second) = mpsc::channel(WIRE_FRAMES);
    (WireEnd { sender: to_second, receiver: from_second }, WireEnd { sender: to_first, receiver: from_first })
}

/// A link that impairs what it carries, and the task that carries it. The link is down once either end is dropped.
pub fn impaired_pair(
    impairment: Impairment,
    switches: [Switch; 2],
) -> (WireEnd, WireEnd, impl Future<Output = ()> + Send) {
    let ((first, first_far), (second, second_far)) = (pair(), pair());
    let seed = |direction| Impairment { seed: impairment.seed ^ direction, ..impairment };
    let there = carry(first_far.receiver, second_far.sender, seed(0), switches.clone());
    let back = carry(second_far.receiver, first_far.sender, seed(1 << 63), switches);
    let carried = async move {
        tokio::select! {
            () = there => {}
            () = back => {}
        }
    };
    (first, second, carried)
}

/// Carries frames in one direction until an end is dropped.
async fn carry(
    mut from: mpsc::Receiver<Frame>,
    to: mpsc::Sender<Frame>,
    impairment: Impairment,
    switches: [Switch; 2],
) {
    // Frames keep their order: each leaves when its delay is over.
    let (queue, mut due) = mpsc::channel::<(Instant, Frame)>(4_096);
    let enter = async {
        let mut losses = Losses(impairment.seed);
        while let Some(frame) = from.recv().await {
            let lost = losses.next(impairment.loss_per_10_000) || switches.iter().any(Switch::is_cut);
            // A link that carries more than fits loses it, as networks do.
            if !lost
                && queue.try_send((Instant::now() + impairment.delay, frame)).is_err()
                && queue.is_closed()
            {
                break;
            }
        }
        drop(queue);
    };
    let leave = async {
        while let Some((at, frame)) = due.recv().await {
            tokio::time::sleep_until(at).await;
            if to.send(frame).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = enter => {}
        () = leave => {}
    }
}

/// Steele and Vigna's SplitMix64: the same frames get lost in every run of a seed.
struct Losses(u64);

impl Losses {
    fn next(&mut self, per_10_000: u16) -> bool {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % 10_000 < u64::from(per_10_000)
    }
}
