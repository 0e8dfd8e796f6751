//! A node: its data folder, its threads, its chains.
//!
//! # Invariants
//!
//! - One process per data folder.
//! - The journal is trimmed only up to blocks that are flushed in their chain's log.
//! - A node opens with every chain that can be opened; one that cannot is named and takes no other with it.

mod disk;
mod hosting;
mod node;
mod peers;
mod resume;
mod snapshot;
#[cfg(feature = "testing")]
pub mod testing;

/// Part of [`verify_snapshot`].
pub use catenary_replica::Pin;
/// Part of [`NodeConfig`].
pub use catenary_runtime::SnapshotPolicy;
pub use disk::{DiskWatch, Look, Probe};
pub use hosting::RemoveChainError;
pub use node::{Node, NodeConfig, NodeStats, OpenNodeError};
pub use peers::NodePeers;
pub use resume::{ResumeError, resume_voting};
pub use snapshot::{
    Listed, SnapshotCommandError, create_snapshot, list_snapshots, restore_snapshot, verify_snapshot,
};
