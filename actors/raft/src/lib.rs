//! The replicated log of a crash-tolerant group: Raft, by `openraft`, on a member's own journal and links.
//!
//! ```text
//!            Group::write ─▶ openraft ─▶ entries ─▶ Disk (the node's journal) ─▶ acknowledged
//!   Group::receive ◀─▶ peers  │
//!                             └─ committed ─▶ Event::Applied, in the log's order ─▶ the pure member
//! ```
//!
//! `openraft` runs its own tasks on the thread that starts a [`Group`]. What an entry means is decided elsewhere, in
//! `catenary_consensus::raft`; here entries are kept, sent and put in order.
//!
//! # Snapshots
//!
//! The state is that of the chain, which has a better way to bring back who is behind: fetched blocks with certificates. So
//! a snapshot is a place in the log and the membership there, nothing else. A log is cut behind blocks that are flushed in
//! the block log.
//!
//! # Invariants
//!
//! - A vote, an entry and a new beginning of the log are on the disk before anybody hears of them.
//! - Nothing of `openraft` appears in the interface.
//! - A member whose log is lost is never started again: it would vote twice in one term.
//! - No block is judged, built or signed here.

mod config;
mod convert;
mod engine;
mod group;
mod log;
mod machine;
mod network;
mod store;
#[cfg(test)]
mod tests;

pub use config::{LOG_ENTRIES_KEPT, LOG_ENTRIES_UNCUT_MAX};
pub use group::{Event, Group, Leadership, Parts, StartError};
pub use network::Send;
pub use store::{Disk, OnDurable};
