//! The state of a chain: stores of keys and values under one `app_hash`, in memory, versioned by block height, and the
//! proofs that let anybody else trust a single key of it.
//!
//! ```text
//!                      app_hash                     in the header of the next block
//!            simple Merkle tree over stores
//!        /         |              |          \
//!     admin      asset    …      ibc        replay
//!   Jellyfish  Jellyfish       crit-bit     root from outside
//! ```
//!
//! | Module | What it is |
//! |---|---|
//! | [`Multistore`] | all stores of a chain: commit, read, scan, prune, prove |
//! | [`JellyfishTree`] | sparse Merkle tree over hashed keys; roots and proofs of the `jmt` crate |
//! | [`CritBitTree`] | sorted tree of packet keys in IAVL proof form; proofs pass every stock Cosmos verifier |
//! | [`verify_membership`], [`verify_non_membership`] | plain ICS-23 proofs, one key each, for foreign clients |
//! | [`Multiproof`] | one compact proof for many keys, between our own chains |
//!
//! # Invariants
//!
//! - A root follows from the content alone: not from the order of changes, from batches or from history.
//! - A tree is never without its sentinel, so absence can always be proven; keys and values are never empty.
//! - Given the root of an honest tree, no proof bytes show an absent key as present or a present one as absent. Both
//!   encodings accept the same claims. Decoders and verifiers are total: they neither panic nor allocate beyond limits.
//! - An absence proof of the `ibc` store shows keys of the `ibc` store and nothing else.
//! - Nothing here knows what keys mean (but that `ibc` holds packet keys), reads a clock or does IO. One thread at a
//!   time owns a state; there are no locks.

mod arena;
mod critbit;
mod entry;
mod error;
mod history;
mod jellyfish;
pub mod limits;
mod multiproof;
mod multistore;
mod node_hash;
mod single;

pub use critbit::{CritBitTree, iavl_spec, is_packet_key};
pub use error::{ProofError, StateError};
pub use ics23::{CommitmentProof, ProofSpec};
pub use jellyfish::{JellyfishTree, TreeStats, jellyfish_spec};
pub use multiproof::{Multiproof, Query};
pub use multistore::{
    Batch, Changes, Entries, Multistore, SENTINEL_KEY, SENTINEL_VALUE, StoreKind, StoreName, StoreRoot,
    TreeKind,
};
pub use single::{
    decode_merkle_proof, encode_merkle_proof, encode_spec, verify_ics23, verify_membership,
    verify_non_membership,
};
