//! The disk: data folder, journal writer, block logs and index. The only home of files and of the index's engines.
//!
//! ```text
//! <dir>/LOCK                        held while a node runs
//! <dir>/FORMAT                      layout version
//! <dir>/guard                       newest own signature of each chain    (docs/formats/guard.md)
//! <dir>/journal/<number>.journal    one journal per node, group commit   (docs/formats/journal.md)
//! <dir>/chains/<chain id>/genesis   the genesis document
//! <dir>/chains/<chain id>/blocks/   one block log per chain              (docs/formats/block-log.md)
//! <dir>/reserve                     room that is given up when there is no other
//! <dir>/chains/<chain id>/base/     the snapshot that the log goes on from, if it does  (docs/formats/snapshot.md)
//! <dir>/snapshots/<chain id>/       snapshots that were taken, a folder for each height
//! <dir>/index/                      rebuildable, every value sealed, on fjall or sled
//! ```
//!
//! Formats, scans and repair plans come from `catenary-journal`; this crate reads, writes and flushes. Three
//! workers serve all chains of a node: the journal writer, the guard and the block log writer.
//!
//! # Invariants
//!
//! - A write or flush error is final: nothing is retried, and everything after it fails with the same error.
//!   One of journal or guard concerns the node, one of a block log or of the index one chain.
//! - A completion runs only after the records it belongs to are flushed, in the order of the appends.
//! - No byte is served that was not verified against its checksum when it was read.
//! - Only what was never acknowledged is cut off; damaged files stay as they are and are named.
//! - What a record, block or value means is unknown here; no consensus, no state, no actor.

pub mod block_log;
mod data_dir;
pub mod disk;
mod error;
pub mod failpoint;
mod files;
pub mod guard;
pub mod index;
pub mod journal;
mod keys;
mod registry;
pub mod snapshot;
mod threads;

pub use data_dir::{ChainDir, DataDir, OpenDirError, SetAside};
pub use error::{FileError, OpenError};
pub use keys::KeyLocks;
pub use registry::RegistryDir;
