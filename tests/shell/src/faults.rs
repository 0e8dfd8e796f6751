//! What goes wrong, and how often: most seeds lack some of it.

use crate::{links::Direction, world::World};
use catenary_runtime::Capacities;
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};
use std::{rc::Rc, time::Duration};
use tokio::{task::spawn_local, time::sleep};

/// Of 10,000 frames the first two; then times and shares of a node's workers; then how often something happens, against
/// the others.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// Frames that get lost.
    pub lost: u32,
    /// Frames that take a second longer.
    pub late: u32,
    /// Longest usual delay of a frame, in milliseconds.
    pub delay_ms: u64,
    /// Longest time between two turns of a worker that is not left out, in milliseconds.
    pub turn_ms: u64,
    /// How many of 10,000 turns make a worker rest for up to [`Self::rest_ms`].
    pub rests: u32,
    /// Longest rest, in milliseconds.
    pub rest_ms: u64,
    /// A node is stopped, and started again.
    pub stop: u32,
    /// A node is killed, and started again.
    pub kill: u32,
    /// A task of a chain panics.
    pub panic: u32,
    /// An operator stops a chain, and starts it again.
    pub halt: u32,
    /// A link is cut in one direction or both, and joined again.
    pub cut: u32,
    /// A link ends, and another takes its place.
    pub reconnect: u32,
    /// A router ends, and another takes its place.
    pub router: u32,
}

impl Faults {
    /// A calm world.
    pub const CALM: Self = Self {
        lost: 0,
        late: 0,
        delay_ms: 5,
        turn_ms: 3,
        rests: 0,
        rest_ms: 0,
        stop: 0,
        kill: 0,
        panic: 0,
        halt: 0,
        cut: 0,
        reconnect: 0,
        router: 0,
    };

    /// Draws what a seed brings.
    pub fn draw(rng: &mut StdRng) -> Self {
        let mut some = |most: u32| if rng.random_bool(0.6) { rng.random_range(1..=most) } else { 0 };
        let faults = Self {
            lost: some(400),
            late: some(50),
            rests: some(60),
            stop: some(4),
            kill: some(4),
            panic: some(4),
            halt: some(3),
            cut: some(4),
            reconnect: some(6),
            router: some(4),
            ..Self::CALM
        };
        let rest_ms = rng.random_range(50..=800);
        Self { delay_ms: rng.random_range(1..=40), turn_ms: rng.random_range(2..=12), rest_ms, ..faults }
    }
}

/// How much may wait on the nodes of a seed: often so little that much is refused and dropped. What is said in one go must
/// fit, else the same part of it is dropped every time.
pub fn capacities(rng: &mut StdRng) -> Capacities {
    if rng.random_bool(0.4) {
        return Capacities::default();
    }
    Capacities {
        chain: rng.random_range(8..=16),
        consensus: rng.random_range(16..=32),
        peer_link: rng.random_range(12..=24),
        lane: rng.random_range(12..=24),
        router: rng.random_range(2..=8),
        reads: rng.random_range(2..=4),
    }
}

impl World {
    /// Lets things go wrong for so long.
    pub async fn go_wrong(self: &Rc<Self>, seconds: u64) {
        let end = self.elapsed() + Duration::from_secs(seconds);
        while self.elapsed() < end && !self.has_failed() {
            let pause = self.draw(|rng| rng.random_range(200..1_200));
            sleep(Duration::from_millis(pause)).await;
            self.one_fault().await;
        }
    }

    async fn one_fault(self: &Rc<Self>) {
        let Faults { stop, kill, panic, halt, cut, reconnect, router, .. } = self.faults.get();
        let kinds = [stop, kill, panic, halt, cut, reconnect, router];
        let sum = kinds.iter().sum();
        if sum == 0 {
            return;
        }
        let mut left = self.draw(|rng| rng.random_range(0..sum));
        let kind = kinds.iter().position(|often| match left.checked_sub(*often) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        });
        let (node, chain) =
            self.draw(|rng| (rng.random_range(0..self.nodes()), rng.random_range(0..self.chains())));
        let while_off = Duration::from_millis(self.draw(|rng| rng.random_range(0..4_000)));
        match kind {
            Some(0) => self.stop_for(node, while_off).await,
            Some(1) => self.kill_for(node, while_off).await,
            Some(2) => self.panic_in(node, chain),
            Some(3) => self.halt_for(node, chain, while_off),
            Some(4) => self.cut_for(node, while_off),
            Some(5) => self.reconnect_after(node),
            _ => self.replace_router(node % 2),
        }
    }

    async fn stop_for(self: &Rc<Self>, node: usize, off: Duration) {
        self.stop(node).await;
        self.start_after(node, off);
    }

    async fn kill_for(self: &Rc<Self>, node: usize, off: Duration) {
        self.kill(node).await;
        self.start_after(node, off);
    }

    fn start_after(self: &Rc<Self>, node: usize, off: Duration) {
        let world = self.clone();
        spawn_local(async move {
            sleep(off).await;
            world.start(node).await;
        });
    }

    /// A task of a chain panics; whoever asked for it gets no answer, and the supervisor opens the chain again.
    fn panic_in(self: &Rc<Self>, node: usize, chain: usize) {
        let Some(mailbox) = self.mailbox(node, chain) else { return };
        self.say("task panicked", || format!("node {node} chain {chain}"));
        let world = self.clone();
        spawn_local(async move {
            let read = mailbox.read(|_| panic!("a fault of the simulation"));
            let _: Option<Result<(), _>> = world.answer(node, "a read that panics is answered", read).await;
        });
    }

    fn halt_for(self: &Rc<Self>, node: usize, chain: usize, off: Duration) {
        let world = self.clone();
        spawn_local(async move {
            world.halt(node, chain, off).await;
        });
    }

    /// Cuts all links of a node, or one direction of one.
    fn cut_for(self: &Rc<Self>, node: usize, off: Duration) {
        let others: Vec<_> = (0..self.nodes()).filter(|other| *other != node).collect();
        let directions: Vec<Direction> = self.draw(|rng| {
            if rng.random_bool(0.5) {
                return others.iter().flat_map(|other| [(node, *other), (*other, node)]).collect();
            }
            others.choose(rng).map(|other| (node, *other)).into_iter().collect()
        });
        self.say("link cut", || format!("{directions:?} for {} ms", off.as_millis()));
        directions.iter().for_each(|direction| self.links.borrow_mut().cut(*direction, true));
        let world = self.clone();
        spawn_local(async move {
            sleep(off).await;
            directions.iter().for_each(|direction| world.links.borrow_mut().cut(*direction, false));
        });
    }

    /// Mostly the new link is there before anybody has noticed that the old one is gone.
    fn reconnect_after(self: &Rc<Self>, node: usize) {
        let other = (node + 1 + self.draw(|rng| rng.random_range(0..self.nodes() - 1))) % self.nodes();
        self.say("link replaced", || format!("{node} and {other}"));
        self.connect(node, other);
    }
}
