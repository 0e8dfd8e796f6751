//! Which faults a seed brings, and how often: swarm testing, so most seeds lack some of them.

use rand::{Rng, rngs::StdRng};

/// Out of 10,000: messages for the first six, for the rest chances per simulated second.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// A message between nodes gets lost.
    pub lost: u32,
    /// It arrives twice.
    pub doubled: u32,
    /// It takes a second longer.
    pub late: u32,
    /// It is changed on its way, if it is the liar's.
    pub corrupted: u32,
    /// A vote of the liar's says something else to whoever gets it.
    pub contradicted: u32,
    /// A question of a router fails, or its answer gets lost.
    pub router: u32,
    /// A flush takes fifty times as long.
    pub slow_disk: u32,
    /// A node loses power.
    pub crash: u32,
    /// All nodes do.
    pub blackout: u32,
    /// One node does not hear another.
    pub one_way: u32,
    /// The nodes fall into two parts.
    pub partition: u32,
    /// A clock jumps.
    pub clock: u32,
    /// The victim's disk loses or changes something while it is off.
    pub damage: u32,
    /// A router is killed and starts without its memory.
    pub router_killed: u32,
    /// Longest usual delay of a message, in milliseconds.
    pub delay_ms: u64,
    /// Longest usual flush, in milliseconds.
    pub flush_ms: u64,
}

impl Faults {
    /// A calm world: delays, and nothing else.
    pub const CALM: Self = Self {
        lost: 0,
        doubled: 0,
        late: 0,
        corrupted: 0,
        contradicted: 0,
        router: 0,
        slow_disk: 0,
        crash: 0,
        blackout: 0,
        one_way: 0,
        partition: 0,
        clock: 0,
        damage: 0,
        router_killed: 0,
        delay_ms: 5,
        flush_ms: 2,
    };

    /// Draws what a seed brings.
    pub fn draw(rng: &mut StdRng) -> Self {
        let mut some = |most: u32| if rng.random_bool(0.5) { rng.random_range(0..=most) } else { 0 };
        let faults = Self {
            lost: some(500),
            doubled: some(300),
            late: some(100),
            corrupted: some(500),
            contradicted: some(1_000),
            router: some(1_000),
            slow_disk: some(300),
            crash: some(600),
            blackout: some(60),
            one_way: some(400),
            partition: some(300),
            clock: some(300),
            damage: some(5_000),
            router_killed: some(400),
            ..Self::CALM
        };
        Self { delay_ms: rng.random_range(1..=60), flush_ms: rng.random_range(1..=20), ..faults }
    }
}

/// Whether something with this chance happens.
pub fn happens(rng: &mut StdRng, of_10_000: u32) -> bool {
    of_10_000 > 0 && rng.random_range(0..10_000) < of_10_000
}
