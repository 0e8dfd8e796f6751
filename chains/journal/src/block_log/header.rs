//! Whose log it is, and the header of a segment.

use crate::layout::{CHECKSUM_LEN, Checksum, Reader, UnsupportedVersion, checksum};
use catenary_crypto::{Hash, sha256_parts};
use thiserror::Error;

/// Version of the block log format that this build writes and reads.
pub const VERSION: u32 = 1;

/// Longest chain id in bytes.
pub const CHAIN_ID_BYTES_MAX: usize = 64;

const MAGIC: &[u8; 8] = b"CATENBLK";
const HEADER_LEN: usize = 160;

/// Where the first entry starts: behind the two copies of the header.
pub(super) const FIRST_ENTRY_OFFSET: usize = 2 * HEADER_LEN;

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
}

impl Identity {
    /// A chain with this id and genesis.
    pub fn new(chain_id: &str, genesis_hash: Hash) -> Result<Self, InvalidChainId> {
        let actual = chain_id.len();
        if !(1..=CHAIN_ID_BYTES_MAX).contains(&actual) {
            return Err(InvalidChainId { actual, max: CHAIN_ID_BYTES_MAX });
        }
        Ok(Self { chain_id: chain_id.to_owned(), genesis_hash })
    }

    /// The chain's full id.
    pub fn chain_id(&self) -> &str {
        &self.chain_id
    }

    /// Hash of its genesis document.
    pub fn genesis_hash(&self) -> Hash {
        self.genesis_hash
    }

    /// The hash that the first entry follows.
    pub fn first_chain_hash(&self) -> Hash {
        let length = (self.chain_id.len() as u32).to_be_bytes();
        let parts: [&[u8]; 4] =
            [b"catenary/block-log/start/1", &length, self.chain_id.as_bytes(), self.genesis_hash.as_bytes()];
        sha256_parts(&parts)
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

/// What the two copies of a header add up to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeaderRead {
    Good(SegmentHeader),
    /// One copy is good, the one at this offset is not.
    OneBad(SegmentHeader, usize),
    Bad,
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> Vec<u8> {
        let chain_id = self.identity.chain_id.as_bytes();
        let mut padded = [0; CHAIN_ID_BYTES_MAX];
        padded[..chain_id.len()].copy_from_slice(chain_id);

        let mut out = Vec::with_capacity(FIRST_ENTRY_OFFSET);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(&(chain_id.len() as u32).to_be_bytes());
        out.extend_from_slice(&padded);
        out.extend_from_slice(&self.identity.genesis_hash.0);
        out.extend_from_slice(&self.first_height.to_be_bytes());
        out.extend_from_slice(&self.previous.0);
        let sum = header_checksum(&out);
        out.extend_from_slice(&sum);
        debug_assert_eq!(out.len(), HEADER_LEN);
        out.extend_from_within(..);
        out
    }

    pub(super) fn read(segment: &[u8]) -> Result<HeaderRead, UnsupportedVersion> {
        let [first, second] = [0, HEADER_LEN].map(|at| segment.get(at..at + HEADER_LEN));
        Ok(match [first, second].map(|copy| copy.and_then(Self::decode)) {
            [Some(one), Some(two)] if one == two => HeaderRead::Good(one),
            [Some(_), Some(_)] => HeaderRead::Bad,
            [Some(one), None] => HeaderRead::OneBad(one, HEADER_LEN),
            [None, Some(two)] => HeaderRead::OneBad(two, 0),
            // A flipped bit cannot change both copies, a newer version does.
            [None, None] => match [first, second].map(|copy| copy.and_then(version)) {
                [Some(one), Some(two)] if one == two && one != VERSION => {
                    return Err(UnsupportedVersion { found: one, supported: VERSION });
                }
                _ => HeaderRead::Bad,
            },
        })
    }

    fn decode(copy: &[u8]) -> Option<Self> {
        let (covered, sum) = copy.split_at_checked(HEADER_LEN - CHECKSUM_LEN)?;
        if version(copy) != Some(VERSION) || header_checksum(covered) != sum {
            return None;
        }
        let mut reader = Reader(&covered[MAGIC.len() + 4..]);
        let length = reader.u32()? as usize;
        let chain_id = std::str::from_utf8(reader.take(CHAIN_ID_BYTES_MAX)?.get(..length)?).ok()?;
        let identity = Identity::new(chain_id, reader.hash()?).ok()?;
        Some(Self { identity, first_height: reader.u64()?, previous: reader.hash()? })
    }
}

fn version(copy: &[u8]) -> Option<u32> {
    Reader(copy.strip_prefix(MAGIC)?).u32()
}

fn header_checksum(covered: &[u8]) -> Checksum {
    checksum(&[b"catenary/block-log/segment/1", covered])
}
