//! The manifest of a snapshot: what it holds, and what proves it.

use super::SnapshotError;
use crate::limits::SNAPSHOT_MANIFEST_BYTES_MAX;
use catenary_crypto::{Hash, sha256};
use catenary_types::{ChainId, Header, Height, Message, SignedHeader, ValidatorSet, wire::Reader};

/// The version of the format that this code reads and writes.
pub const MANIFEST_VERSION: u32 = 1;

catenary_types::message! {
    /// What a snapshot of height H holds, and what proves it to whoever has the genesis.
    pub struct Manifest {
        /// [`MANIFEST_VERSION`].
        1 => version: u32,
        /// Header H-1.
        2 => before: Header,
        /// Header H.
        3 => at: SignedHeader,
        /// Header H+1, which names the state after H.
        4 => after: SignedHeader,
        /// The set of H+1.
        5 => next_validators: ValidatorSet,
        /// Every change of the set that was announced below H, oldest first.
        6 => trail: Vec<SetChange>,
        /// The chunks, in order.
        7 => chunks: Vec<ChunkSummary>,
    }

    /// A header that announces another set than the one that signed it.
    pub struct SetChange {
        /// The header.
        1 => signed: SignedHeader,
        /// The set that signs the header after it.
        2 => validators: ValidatorSet,
    }

    /// What a manifest says of a chunk. Nobody vouches for it; it tells early which chunk is bad.
    pub struct ChunkSummary {
        /// Length of its encoding.
        1 => bytes: u32,
        /// SHA-256 of its encoding.
        2 => hash: Hash,
    }
}

impl SetChange {
    /// Whether a header announces another set than the one that signed it.
    pub fn is_announced_by(header: &Header) -> bool {
        header.next_validators_hash != header.validators_hash
    }
}

impl Manifest {
    /// Reads an encoded manifest.
    pub fn read(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let (limit, actual) = (SNAPSHOT_MANIFEST_BYTES_MAX as u64, bytes.len() as u64);
        if actual > limit {
            return Err(SnapshotError::TooMuch { what: "bytes of manifest", limit, actual });
        }
        let found = Reader::new(bytes).varint(1).ok().flatten();
        match found {
            Some(version) if version != u64::from(MANIFEST_VERSION) => {
                Err(SnapshotError::Version { expected: MANIFEST_VERSION, actual: version })
            }
            _ => Self::decode(bytes).map_err(|error| SnapshotError::Malformed {
                part: "manifest".into(),
                reason: error.to_string(),
            }),
        }
    }

    /// The chain, as far as the manifest is right.
    pub fn chain_id(&self) -> &ChainId {
        &self.at.header.chain_id
    }

    /// The height after which the state is.
    pub fn height(&self) -> Height {
        self.at.header.height
    }

    /// Bytes of all chunks.
    pub fn content_bytes(&self) -> u64 {
        self.chunks.iter().map(|chunk| u64::from(chunk.bytes)).sum()
    }

    /// Whether these bytes are the chunk of this number.
    pub fn check_chunk(&self, index: usize, bytes: &[u8]) -> Result<(), SnapshotError> {
        let summary = self.chunks.get(index).ok_or(SnapshotError::TooMuch {
            what: "chunks",
            limit: self.chunks.len() as u64,
            actual: index as u64 + 1,
        })?;
        if summary.bytes as usize != bytes.len() {
            let (expected, actual) = (summary.bytes, bytes.len());
            let reason = format!("expected {expected} bytes, got {actual}");
            return Err(SnapshotError::Malformed { part: format!("chunk {index}"), reason });
        }
        let actual = sha256(bytes);
        if summary.hash != actual {
            let reason = format!("expected SHA-256 {}, got {actual}", summary.hash);
            return Err(SnapshotError::Malformed { part: format!("chunk {index}"), reason });
        }
        Ok(())
    }
}
