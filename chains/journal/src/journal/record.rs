//! What is journalled, and for whom.

use catenary_crypto::{Hash, sha256};
use std::fmt;

/// Names a chain in the journal: the SHA-256 of its id.
///
/// A node-local number would be shorter, but needs a table that can itself be lost; with the hash of the id a
/// record can be understood without any other file, and a chain of an earlier life never matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainTag(pub Hash);

impl ChainTag {
    /// The tag of the chain with this id.
    pub fn of(chain_id: &str) -> Self {
        Self(sha256(chain_id.as_bytes()))
    }
}

impl fmt::Display for ChainTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Sixteen random bytes, drawn when a journal is created and repeated in each of its segments.
///
/// They are part of every checksum, so that neither a segment of another journal nor bytes that a
/// peer chose as payload are ever taken for a frame of this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalId(pub [u8; 16]);

/// One record of one chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The chain it belongs to.
    pub chain: ChainTag,
    /// The height it belongs to; it is kept until the block of this height is flushed in the block log.
    pub height: u64,
    /// What it is, in the numbering of the chain's host. Opaque here.
    pub kind: u8,
    /// Its content, at most [`super::PAYLOAD_BYTES_MAX`] bytes. Opaque here.
    pub payload: Vec<u8>,
}
