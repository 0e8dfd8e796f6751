//! Whose log it is, and the header of a segment.

use crate::{doubled::Doubled, layout::Reader};
use catenary_crypto::{Hash, sha256_parts};
use thiserror::Error;

/// Version of the block log format that this build writes and reads.
pub const VERSION: u32 = 1;

/// Longest chain id in bytes.
pub const CHAIN_ID_BYTES_MAX: usize = 64;

/// Where the first entry starts: behind the two copies of the header.
pub(super) const FIRST_ENTRY_OFFSET: usize = 2 * SegmentHeader::LEN;

const _: () = assert!(FIRST_ENTRY_OFFSET.is_multiple_of(crate::layout::ALIGNMENT));

/// A chain id is empty or too long for a segment header.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("chain id has {actual} bytes, 1 to {max} are allowed")]
pub struct InvalidChainId {
    /// Its length.
    pub actual: usize,
    /// The limit, [`CHAIN_ID_BYTES_MAX`].
    pub max: usize,
}

/// The chain that a log belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    chain_id: String,
    genesis_hash: Hash,
    base: Option<Base>,
}

/// Where a log begins that does not begin at height 1: behind a block that its node never had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Base {
    height: u64,
    block_hash: Hash,
}

impl Identity {
    /// A chain with this id and genesis.
    pub fn new(chain_id: &str, genesis_hash: Hash) -> Result<Self, InvalidChainId> {
        let actual = chain_id.len();
        if !(1..=CHAIN_ID_BYTES_MAX).contains(&actual) {
            return Err(InvalidChainId { actual, max: CHAIN_ID_BYTES_MAX });
        }
        Ok(Self { chain_id: chain_id.to_owned(), genesis_hash, base: None })
    }

    /// The same chain, with a log that begins behind the block of this height and header hash.
    #[must_use]
    pub fn beginning_after(self, height: u64, block_hash: Hash) -> Self {
        Self { base: Some(Base { height, block_hash }), ..self }
    }

    /// The chain's full id.
    pub fn chain_id(&self) -> &str {
        &self.chain_id
    }

    /// Hash of its genesis document.
    pub fn genesis_hash(&self) -> Hash {
        self.genesis_hash
    }

    /// Height of the first entry.
    pub fn first_height(&self) -> u64 {
        self.base.map_or(1, |base| base.height + 1)
    }

    /// The hash that the first entry follows.
    pub fn first_chain_hash(&self) -> Hash {
        let length = (self.chain_id.len() as u32).to_be_bytes();
        let parts: [&[u8]; 4] =
            [b"catenary/block-log/start/1", &length, self.chain_id.as_bytes(), self.genesis_hash.as_bytes()];
        let start = sha256_parts(&parts);
        let Some(Base { height, block_hash }) = self.base else { return start };
        let parts: [&[u8]; 4] =
            [b"catenary/block-log/base/1", start.as_bytes(), &height.to_be_bytes(), block_hash.as_bytes()];
        sha256_parts(&parts)
    }

    /// Whether a log is of the same chain, wherever it begins.
    pub(super) fn is_same_chain(&self, other: &Self) -> bool {
        (&self.chain_id, self.genesis_hash) == (&other.chain_id, other.genesis_hash)
    }
}

/// What a segment says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) identity: Identity,
    pub(super) first_height: u64,
    /// Chain hash of the entry before the first.
    pub(super) previous: Hash,
}

impl Doubled for SegmentHeader {
    const MAGIC: &'static [u8; 8] = b"CATENBLK";
    const VERSION: u32 = VERSION;
    const CHECKSUM_TAG: &'static [u8] = b"catenary/block-log/segment/1";
    const LEN: usize = 160;

    fn write_fields(&self, out: &mut Vec<u8>) {
        let chain_id = self.identity.chain_id.as_bytes();
        let mut padded = [0; CHAIN_ID_BYTES_MAX];
        padded[..chain_id.len()].copy_from_slice(chain_id);

        out.extend_from_slice(&(chain_id.len() as u32).to_be_bytes());
        out.extend_from_slice(&padded);
        out.extend_from_slice(&self.identity.genesis_hash.0);
        out.extend_from_slice(&self.first_height.to_be_bytes());
        out.extend_from_slice(&self.previous.0);
    }

    fn read_fields(mut fields: Reader<'_>) -> Option<Self> {
        let length = fields.u32()? as usize;
        let chain_id = std::str::from_utf8(fields.take(CHAIN_ID_BYTES_MAX)?.get(..length)?).ok()?;
        let identity = Identity::new(chain_id, fields.hash()?).ok()?;
        Some(Self { identity, first_height: fields.u64()?, previous: fields.hash()? })
    }
}
