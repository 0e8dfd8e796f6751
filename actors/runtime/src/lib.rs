//! The actors that run chains, and the workers that serve them.
//!
//! | Actor | Hosts |
//! |---|---|
//! | `Chain` | the replica machine of one chain |
//! | `Consensus` | the consensus machine of one group |
//! | `Raft` | the member of a group that keeps a log instead |
//! | `PeerLink` | the link to one other node, for all chains |
//! | `Router` | the relay machine, all lanes |
//! | `Supervisor` | start, stop and restart of one chain |
//!
//! Each actor is a folder: `mod.rs` says what it is, `mailbox.rs` is its public handle, `actor.rs` alone knows actix,
//! `effects.rs` runs the effects of its machine.
//!
//! # Invariants
//!
//! - Handlers never wait: long work runs on executor lanes, files are written by workers.
//! - An own signature leaves this node only after it and all that led to it are on disk.
//! - What falls is reported, and a chain that falls takes no other with it.
//! - Nothing here decides validity: that is for the pure crates.

mod book;
mod capacities;
mod chain;
mod consensus;
mod door;
mod executor;
mod feed;
mod home;
mod host;
mod index_writer;
mod journal;
mod memory;
mod meter;
pub mod offline;
mod peer;
mod raft;
mod reader;
mod recovery;
mod repair;
mod router;
mod snapshot;
mod supervisor;
mod suspect;
mod timer;
mod verification;

pub use capacities::Capacities;
/// The machine's clock, for those who have no node.
pub use catenary_platform::now;
/// Part of a [`ChainDefinition`].
pub use catenary_replica::Reporter;
pub use chain::ChainMailbox;
pub use door::Door;
pub use executor::{Executors, Lane, LaneClosed};
pub use home::Home;
pub use host::Host;
pub use index_writer::IndexWriter;
pub use journal::{ChainJournal, chain_tag};
pub use meter::ChainStats;
pub use peer::LinkStats;
pub use recovery::{OpenChainError, OpenedChain, Others, base_of, identity_of, open_chain};
pub use router::{PacketStats, Router, RouterStats};
pub use snapshot::{
    CreateSnapshotError, SnapshotFileError, SnapshotFolder, SnapshotPolicy, TakeError, create_snapshot,
    store_base,
};
pub use supervisor::{ChainDefinition, NodeParts, Reasons, Supervisor};
