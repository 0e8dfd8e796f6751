//! The only cryptography in Catenary: SHA-256, CometBFT's simple Merkle tree, and Ed25519 under one validity rule.
//!
//! `ring` hashes. `ed25519-zebra` signs, and decides whether a signature is valid (ZIP-215). A batch of signatures is
//! accepted as a whole if one equation holds that the same rule implies, else each is decided alone: no block is valid
//! on one code path and invalid on another.
//!
//! # Invariants
//!
//! - [`verify`] and [`verify_batch`] accept the same set of signatures, as [`BatchVerifier`] does; the stock Go and Rust verifiers agree.
//! - Nothing here reads a clock, a file or a random source: a [`SigningKey`] is made from a seed that is given.
//! - Secrets have no `Debug` output.

mod batch;
#[cfg(feature = "cheap-suite")]
pub mod cheap;
mod ed25519;
mod hash;
mod merkle;

pub use batch::BatchVerifier;
pub use ed25519::{
    ParseKeyError, PublicKey, Signature, SigningKey, VerificationItem, VerifyError, address,
    signatures_verified, verify, verify_batch,
};
pub use hash::{Hash, Hasher, sha256, sha256_parts};
pub use merkle::{empty_root, inner_hash, leaf_hash, merkle_root};
