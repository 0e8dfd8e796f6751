//! One chain on one node: which transactions wait, what the next block is, what a final block does to the state.
//!
//! Two parts. [`Replica`] is a step machine: it keeps the pool and the order of things, and never takes long.
//! [`Worker`] owns the state and does the work that takes long: admission, judging and executing blocks. The shell runs
//! the worker's jobs one by one, in order, on an executor thread, and feeds the outcomes back.
//!
//! ```text
//!   submit ──► Replica ── Job::Admit ────► Worker ── Done::Admitted ──► pool
//!                 │                                                      │
//!   consensus: Build ── Job::Assemble ──► Worker ── Done::Assembled ──► body to the journal, Propose
//!   consensus: Decide ─ Job::Execute ───► Worker ── Done::Executed ───► tip, next height, subscribers
//! ```
//!
//! # Invariants
//!
//! - Block H+1 is not built before the state after H is known: the lag of `app_hash` is exactly one.
//! - A body is in the journal before consensus hears of it.
//! - An empty block is built as seal or heartbeat and never else; an idle chain builds nothing.
//! - Headers of a chain strictly increase in time, whatever the clock does.

mod admission;
mod block;
mod certificate;
mod interface;
mod limits;
mod memory;
mod peer;
mod peers;
mod pool;
mod replica;
mod report;
mod roots;
mod snapshot;
mod submission;
mod sync;
mod tail;
mod tip;
mod wiring;
mod worker;

pub use block::{BlockError, check_block};
pub use certificate::{CertificateError, verify_certificate};
pub use interface::{Committed, Divergence, Effect, Input, Recovered, Step, Ticket};
pub use limits::{
    FETCH_BLOCKS_MAX, FETCH_BYTES_MAX, POOL_BYTES_MAX, POOL_TRANSACTIONS_MAX, SNAPSHOT_CHUNK_BYTES_MAX,
    SNAPSHOT_CHUNKS_MAX, SNAPSHOT_MANIFEST_BYTES_MAX, SNAPSHOT_TRAIL_MAX, SNAPSHOT_WORTH_BLOCKS,
    SUBMISSIONS_WAITING_MAX,
};
pub use memory::{Copies, Memory, note_losses, note_lost_logs};
pub use peer::{Lane, PeerMessage, PeerTip, Recipients};
pub use replica::Replica;
pub use report::Reporter;
pub use snapshot::{
    Anchor, Chunk, ChunkSummary, Chunks, InvalidPin, MANIFEST_VERSION, Manifest, Pin, ReplayEntry, SetChange,
    Snapshot, SnapshotError, SnapshotPart, StateEntry, VerifiedManifest,
};
pub use submission::{Refusal, RefusalReason, SubmitOutcome};
pub use sync::FetchedBlock;
pub use tail::{
    Tail, UnreadableRecord, body_record, consensus_part, consensus_record, flushed_record, raft_record,
};
pub use tip::{Tip, TipBlock};
pub use wiring::from_consensus;
pub use worker::{Admission, Admitted, Checkpoint, Done, Executed, Job, RecoveryError, Worker};
