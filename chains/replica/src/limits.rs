//! Limits of one replica; they bound memory and never decide validity.

/// Transactions that wait for a block.
pub const POOL_TRANSACTIONS_MAX: usize = 50_000;
/// Bytes of envelopes that wait for a block.
pub const POOL_BYTES_MAX: usize = 64 << 20;
/// Submissions that wait for admission; one more is answered "busy".
pub const SUBMISSIONS_WAITING_MAX: usize = 64;
/// A chain admits one tick a second: enough for a clock, too few for a flood.
pub const TICK_INTERVAL_MS: u64 = 1_000;
/// Blocks that were fetched and wait for their turn.
pub const FETCHED_BLOCKS_MAX: usize = 256;
/// Blocks of one answer to a fetch.
pub const FETCH_BLOCKS_MAX: usize = 64;
/// Bytes of one answer to a fetch, but for its first block.
pub const FETCH_BYTES_MAX: usize = 4 << 20;
/// How long an answer to a fetch may take before another peer is asked.
pub(crate) const FETCH_TIMEOUT_MS: u64 = 2_000;
/// How long a node that is a block behind waits for its own group before it asks.
pub(crate) const FETCH_GRACE_MS: u64 = 50;
/// A node that is this many blocks behind asks at once.
pub(crate) const FETCH_FAR_BEHIND: u64 = 8;
/// How often nodes tell each other how far they are, besides after every block.
pub(crate) const TIP_INTERVAL_MS: u64 = 5_000;
/// A transaction that waits this long is told to the others again, since the one who leads may never have heard of it.
pub(crate) const GOSSIP_AGAIN_MS: u64 = 2_000;
/// Envelopes and bytes of one gossip message.
pub(crate) const GOSSIP_ENVELOPES_MAX: usize = 1_000;
pub(crate) const GOSSIP_BYTES_MAX: usize = 1 << 20;
/// Bodies that wait while another with the same header is judged.
pub(crate) const BODIES_WAITING_MAX: usize = 4;
/// Bodies kept per peer for heights that are not reached yet.
pub(crate) const EARLY_BODIES_PER_PEER_MAX: usize = 4;
/// A chunk of a snapshot is closed when it has so many bytes, give or take its last entry.
pub const SNAPSHOT_CHUNK_BYTES: usize = 512 << 10;
/// Bytes of a chunk that is taken from others.
pub const SNAPSHOT_CHUNK_BYTES_MAX: usize = 1 << 20;
/// Chunks of a snapshot. All of them are in memory when it is checked, as the state is afterwards.
pub const SNAPSHOT_CHUNKS_MAX: usize = 4_096;
/// Changes of the validator set that a snapshot's trail may have.
pub const SNAPSHOT_TRAIL_MAX: usize = 1_024;
/// Bytes of a manifest; with its frame it fits a message of a link.
pub const SNAPSHOT_MANIFEST_BYTES_MAX: usize = 8 << 20;
/// A chain without a block asks for a snapshot if others are so many blocks ahead.
pub const SNAPSHOT_WORTH_BLOCKS: u64 = 2_000;
/// How long an answer with a part of a snapshot may take before another peer is asked.
pub(crate) const SNAPSHOT_TIMEOUT_MS: u64 = 10_000;
/// Questions for parts of snapshots that nobody answered before blocks are fetched instead.
pub(crate) const SNAPSHOT_UNANSWERED_MAX: u32 = 6;

const _: () = assert!(
    SNAPSHOT_CHUNK_BYTES
        + 2 * (catenary_state::limits::KEY_BYTES_MAX + catenary_state::limits::VALUE_BYTES_MAX)
        <= SNAPSHOT_CHUNK_BYTES_MAX,
    "a chunk that is made is taken"
);
const _: () = assert!(FETCH_BLOCKS_MAX <= FETCHED_BLOCKS_MAX, "an answer fits the waiting room");
const _: () = assert!(FETCH_GRACE_MS < FETCH_TIMEOUT_MS, "asking again takes longer than asking");
