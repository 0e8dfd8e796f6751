//! Turns blocks into bytes to append to one segment.

use super::entry::{self, Head};
use super::header::{Identity, SegmentHeader};
use super::scan::{End, Located};
use crate::doubled::Doubled;
use crate::layout::PAYLOAD_BYTES_MAX;
use catenary_crypto::Hash;
use thiserror::Error;

/// A block or certificate is longer than the format allows. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("block or certificate has {actual} bytes, at most {max} are allowed")]
pub struct PartTooLarge {
    /// Its length.
    pub actual: usize,
    /// The limit, [`PAYLOAD_BYTES_MAX`].
    pub max: usize,
}

/// Turns blocks into bytes to append to one segment, in order of height and without gaps.
#[derive(Clone, Debug)]
pub struct SegmentWriter {
    identity: Identity,
    first_height: u64,
    offset: u64,
    next_height: u64,
    previous: Hash,
}

impl SegmentWriter {
    /// Starts the segment whose first entry is `next_height`, behind the entry with chain hash `previous`.
    /// Also returns the first bytes of the file. The segment before it must be flushed.
    pub fn create(identity: Identity, next_height: u64, previous: Hash) -> (Self, Vec<u8>) {
        let header = SegmentHeader { identity: identity.clone(), first_height: next_height, previous };
        let out = header.encode();
        let offset = out.len() as u64;
        (Self { identity, first_height: next_height, offset, next_height, previous }, out)
    }

    /// Goes on at the end that a scan found; `None` if the log has no segment yet.
    pub fn resume(identity: Identity, end: &End) -> Option<Self> {
        let (first_height, offset) = end.segment?;
        Some(Self { identity, first_height, offset, next_height: end.next_height, previous: end.chain_hash })
    }

    /// Appends the next block to `out`. `flushed` is the height up to which the log is known to be flushed.
    pub fn append(
        &mut self,
        block: &[u8],
        certificate: &[u8],
        flushed: u64,
        out: &mut Vec<u8>,
    ) -> Result<Located, PartTooLarge> {
        let actual = block.len().max(certificate.len());
        if actual > PAYLOAD_BYTES_MAX {
            return Err(PartTooLarge { actual, max: PAYLOAD_BYTES_MAX });
        }
        let height = self.next_height;
        let head = Head {
            block_len: block.len(),
            certificate_len: certificate.len(),
            height,
            flushed,
            previous: self.previous,
            chain_hash: entry::chain_hash(self.previous, height, block, certificate),
        };
        entry::encode(&self.identity, (self.first_height, self.offset), &head, (block, certificate), out);
        let length = head.entry_len() as u64;
        let located = Located { height, segment: self.first_height, offset: self.offset, length };
        self.offset += length;
        self.next_height += 1;
        self.previous = head.chain_hash;
        Ok(located)
    }

    /// First height of the segment, which is also its name.
    pub fn first_height(&self) -> u64 {
        self.first_height
    }

    /// Height of the next entry.
    pub fn next_height(&self) -> u64 {
        self.next_height
    }

    /// Chain hash of the last entry.
    pub fn chain_hash(&self) -> Hash {
        self.previous
    }

    /// Length of the segment with everything appended so far, in bytes.
    pub fn len(&self) -> u64 {
        self.offset
    }

    /// False: a segment starts with its header.
    pub fn is_empty(&self) -> bool {
        self.offset == 0
    }
}
