//! A chain's state at one height, so that a new node need not execute all that led to it.
//!
//! ```text
//!  genesis set ─► trail: each change of the set, signed by the set before ─► set of H ─► header H ─► set of H+1 ─► header H+1
//!                                                                                                                     │ app_hash
//!                                                                     chunks: entries of all stores, replay ids ◄─────┘
//! ```
//!
//! A snapshot is a [`Manifest`] and chunks. Whoever knows the genesis needs nobody's word for it: the manifest is
//! checked first ([`Manifest::verify`]), which costs little, then all of the content ([`VerifiedManifest::open`]), whose
//! root must be the one that header H+1 names. That of the chunks' own hashes only says early which of them is bad.
//!
//! What it cannot tell is whether the keys of an old set were stolen after they had been replaced: with them another
//! history could be signed. A [`Pin`] that the operator got elsewhere closes that door.

mod build;
mod content;
mod fetch;
mod manifest;
mod verify;

pub use build::Chunks;
pub use content::{Chunk, ReplayEntry, StateEntry};
pub(crate) use fetch::SnapshotFetch;
pub use manifest::{ChunkSummary, MANIFEST_VERSION, Manifest, SetChange};
pub use verify::{Anchor, InvalidPin, Pin, SnapshotError, VerifiedManifest};

use std::sync::Arc;

/// A whole snapshot in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// What is in it, and why to believe it.
    pub manifest: Arc<VerifiedManifest>,
    /// The encoded chunks, in order.
    pub chunks: Vec<Vec<u8>>,
}

/// What a node may ask of another one's snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotPart {
    /// The manifest of the newest one.
    Manifest,
    /// A chunk.
    Chunk {
        /// Of the snapshot of this height.
        height: catenary_types::Height,
        /// Its number, from 0 on.
        index: u32,
    },
}
