//! The wires between nodes: in order, late, sometimes lossy, sometimes cut, and now and then new.

use crate::world::World;
use catenary_consensus::Peer;
use catenary_links::{Frame, pair};
use futures::future::{Either, select};
use rand::{Rng, rngs::StdRng};
use std::{cell::Cell, collections::BTreeMap, pin::pin, rc::Rc, time::Duration};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, spawn_local},
    time::{Instant, sleep_until},
};

/// Frames that may be under way in one direction; what is more gets lost, as in networks.
const UNDER_WAY: usize = 4_096;

/// From one node to another.
pub type Direction = (usize, usize);

/// All wires of a world.
#[derive(Default)]
pub struct Links {
    wires: BTreeMap<Direction, AbortHandle>,
    cuts: BTreeMap<Direction, Rc<Cell<bool>>>,
}

impl Links {
    /// While a direction is cut, all its frames get lost.
    pub fn cut(&mut self, direction: Direction, is_cut: bool) {
        self.switch(direction).set(is_cut);
    }

    /// Joins all that is cut.
    pub fn heal(&mut self) {
        self.cuts.values().for_each(|cut| cut.set(false));
    }

    fn switch(&mut self, direction: Direction) -> Rc<Cell<bool>> {
        self.cuts.entry(direction).or_default().clone()
    }
}

impl World {
    /// Joins two running nodes by a new link; an old one between them is gone.
    pub fn connect(self: &Rc<Self>, first: usize, second: usize) {
        let ends = [pair(), pair()];
        let [(first_end, first_far), (second_end, second_far)] = ends;
        let connected = [(first, second, first_end), (second, first, second_end)].map(|(node, peer, end)| {
            self.with_node(node, |running| running.node.connect(Peer(peer as u64), end)).is_some()
        });
        if connected != [true, true] {
            return;
        }
        self.carry((first, second), first_far.receiver, second_far.sender);
        self.carry((second, first), second_far.receiver, first_far.sender);
    }

    fn carry(self: &Rc<Self>, direction: Direction, from: mpsc::Receiver<Frame>, to: mpsc::Sender<Frame>) {
        let (world, rng) = (self.clone(), self.fork());
        let cut = self.links.borrow_mut().switch(direction);
        let carried = spawn_local(async move {
            let (queue, due) = mpsc::channel(UNDER_WAY);
            let enter = pin!(enter(world, rng, direction, cut, from, queue));
            let leave = pin!(leave(due, to));
            // What is under way arrives although nothing more is sent; without a receiver nothing is.
            if let Either::Left(((), leave)) = select(enter, leave).await {
                leave.await;
            }
        });
        if let Some(old) = self.links.borrow_mut().wires.insert(direction, carried.abort_handle()) {
            old.abort();
        }
    }
}

async fn enter(
    world: Rc<World>,
    mut rng: StdRng,
    direction: Direction,
    cut: Rc<Cell<bool>>,
    mut from: mpsc::Receiver<Frame>,
    queue: mpsc::Sender<(Instant, Frame)>,
) {
    let mut due = Instant::now();
    while let Some(frame) = from.recv().await {
        world.sees(direction, &frame);
        let faults = world.faults.get();
        let lost = cut.get() || rng.random_range(0..10_000) < faults.lost;
        let late = if rng.random_range(0..10_000) < faults.late { 1_000 } else { 0 };
        let delay = Duration::from_micros(1_000 * late + rng.random_range(0..=1_000 * faults.delay_ms));
        // Frames keep their order.
        due = due.max(Instant::now() + delay);
        if lost || queue.try_send((due, frame)).is_err() {
            world.count("frame lost");
        }
    }
}

async fn leave(mut due: mpsc::Receiver<(Instant, Frame)>, to: mpsc::Sender<Frame>) {
    loop {
        let next = tokio::select! {
            biased;
            next = due.recv() => next,
            () = to.closed() => None,
        };
        let Some((at, frame)) = next else { return };
        sleep_until(at).await;
        if to.send(frame).await.is_err() {
            return;
        }
    }
}
