//! Which faults a seed brings, and how often: swarm testing, so most seeds lack some of them.

use catenary_failpoint::Failpoint;
use rand::{Rng, rngs::StdRng};

/// How far an honest clock may be off: less than half the precision that headers are judged with.
pub const CLOCK_SKEW_MS: u64 = 240;

/// Where the simulator's shell makes a node die: the failpoints of the product that have a place in it.
pub const FAILPOINTS: &[Failpoint] = &[
    Failpoint::AppendBody,
    Failpoint::AppendProposal,
    Failpoint::AppendOwnVote,
    Failpoint::AppendReceivedVote,
    Failpoint::AppendJudgement,
    Failpoint::AppendPolka,
    Failpoint::AppendTimeout,
    Failpoint::AppendFlushed,
    Failpoint::JournalBatchGathered,
    Failpoint::JournalBatchWritten,
    Failpoint::JournalBatchFlushed,
    Failpoint::JournalBatchDurable,
    Failpoint::JournalSegmentWritten,
    Failpoint::JournalSegmentFlushed,
    Failpoint::JournalSegmentTrimmed,
    Failpoint::JournalRepaired,
    Failpoint::GuardBatchGathered,
    Failpoint::GuardBatchWritten,
    Failpoint::GuardBatchFlushed,
    Failpoint::GuardFileReplaced,
    Failpoint::BlockLogBlockTaken,
    Failpoint::BlockLogBlockWritten,
    Failpoint::BlockLogFlushed,
    Failpoint::BlockLogRepaired,
    Failpoint::DecisionTaken,
    Failpoint::BlockExecuted,
    Failpoint::BlockQueued,
    Failpoint::ConsensusPublish,
    Failpoint::ConsensusTell,
    Failpoint::ReplicaSend,
    Failpoint::BlocksServed,
    Failpoint::FrameSent,
    Failpoint::FrameReceived,
    Failpoint::SubmissionTaken,
    Failpoint::SubmissionReply,
    Failpoint::RelaySubscribe,
    Failpoint::RelayBlock,
    Failpoint::RelayProve,
    Failpoint::RelayProof,
    Failpoint::RelaySubmit,
    Failpoint::RelayAnswer,
];

/// Out of 10,000: messages for the first four, for the rest chances per simulated second.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// A message between nodes gets lost.
    pub lost: u32,
    /// It arrives twice.
    pub doubled: u32,
    /// It takes a second longer.
    pub late: u32,
    /// A question of a router fails, or its answer gets lost.
    pub router: u32,
    /// A flush takes fifty times as long.
    pub slow_disk: u32,
    /// A node loses power.
    pub crash: u32,
    /// The victim does, besides.
    pub weak: u32,
    /// All nodes do.
    pub blackout: u32,
    /// One node does not hear another.
    pub one_way: u32,
    /// The nodes fall into two parts.
    pub partition: u32,
    /// They do so again and again, every half second, for some seconds.
    pub flapping: u32,
    /// A clock jumps.
    pub clock: u32,
    /// The victim's disk loses or changes something while it is off.
    pub damage: u32,
    /// A router is killed and starts without its memory.
    pub router_killed: u32,
    /// A relayer with an account of its own tries a trick.
    pub rogue: u32,
    /// Both routers sign with one account, as if one had been started twice.
    pub router_twice: bool,
    /// A node loses power at this failpoint, with this chance each time it gets there.
    pub failpoint: Option<(Failpoint, u32)>,
    /// Longest usual delay of a message, in milliseconds.
    pub delay_ms: u64,
    /// Longest usual flush, in milliseconds.
    pub flush_ms: u64,
    /// A block log is flushed this long after a block was written.
    pub log_flush_ms: u64,
}

impl Faults {
    /// A calm world: delays, and nothing else.
    pub const CALM: Self = Self {
        lost: 0,
        doubled: 0,
        late: 0,
        router: 0,
        slow_disk: 0,
        crash: 0,
        weak: 0,
        blackout: 0,
        one_way: 0,
        partition: 0,
        flapping: 0,
        clock: 0,
        damage: 0,
        router_killed: 0,
        rogue: 0,
        router_twice: false,
        failpoint: None,
        delay_ms: 5,
        flush_ms: 2,
        log_flush_ms: 500,
    };

    /// Draws what a seed brings.
    pub fn draw(rng: &mut StdRng) -> Self {
        let is_weak = rng.random_range(0..3) == 0;
        let mut some = |most: u32| if rng.random_bool(0.5) { rng.random_range(0..=most) } else { 0 };
        let faults = Self {
            lost: some(500),
            doubled: some(300),
            late: some(100),
            router: some(1_000),
            slow_disk: some(300),
            crash: some(600),
            weak: if is_weak { some(6_000) } else { 0 },
            blackout: some(60),
            one_way: some(400),
            partition: some(300),
            flapping: some(100),
            clock: some(300),
            damage: some(10_000),
            router_killed: some(400),
            rogue: some(6_000),
            ..Self::CALM
        };
        let failpoint = FAILPOINTS[rng.random_range(0..FAILPOINTS.len())];
        Self {
            router_twice: rng.random_bool(0.2),
            failpoint: rng.random_bool(0.7).then(|| (failpoint, rng.random_range(1..=rarity(failpoint)))),
            delay_ms: rng.random_range(1..=60),
            flush_ms: rng.random_range(1..=20),
            log_flush_ms: rng.random_range(1..=1_500),
            ..faults
        }
    }
}

/// The highest chance of dying at a failpoint: a node gets to some of them all the time and to others once in a life.
fn rarity(point: Failpoint) -> u32 {
    match point {
        Failpoint::AppendFlushed
        | Failpoint::AppendPolka
        | Failpoint::ConsensusTell
        | Failpoint::JournalRepaired
        | Failpoint::JournalSegmentWritten
        | Failpoint::JournalSegmentFlushed
        | Failpoint::GuardFileReplaced
        | Failpoint::BlockLogRepaired
        | Failpoint::BlocksServed
        | Failpoint::RelaySubscribe
        | Failpoint::RelayProof => 3_000,
        Failpoint::FrameSent
        | Failpoint::FrameReceived
        | Failpoint::AppendReceivedVote
        | Failpoint::ConsensusPublish
        | Failpoint::ReplicaSend => 20,
        _ => 300,
    }
}

/// Whether something with this chance happens.
pub fn happens(rng: &mut StdRng, of_10_000: u32) -> bool {
    of_10_000 > 0 && rng.random_range(0..10_000) < of_10_000
}
