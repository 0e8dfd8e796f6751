//! Reads one segment entry by entry, front to back, holding no more than one: a copy of blocks that somebody was given.
//!
//! A log of one's own is read by [`super::Scanner`], which repairs what a crash tore and goes on behind damage. A copy is
//! whole or of no use: it was flushed before it had its name.

use super::entry::{HEAD_LEN, check_body, decode_head};
use super::header::{FIRST_ENTRY_OFFSET, Identity, SegmentHeader};
use super::{Entry, EntryError};
use crate::doubled::{Doubled, HeaderRead};
use crate::layout::UnsupportedVersion;
use catenary_crypto::Hash;
use thiserror::Error;

/// Why a copy of blocks does not read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SegmentError {
    /// It does not begin like a segment.
    #[error("it does not begin with the header of a block log segment")]
    NoSegment,
    /// It was written by a newer build.
    #[error(transparent)]
    Version(#[from] UnsupportedVersion),
    /// An entry does not read.
    #[error("height {height}: {error}")]
    Entry {
        /// Height of the entry.
        height: u64,
        /// What is wrong.
        error: EntryError,
    },
    /// An entry reads but belongs elsewhere.
    #[error("height {height}: the entry does not follow the one before it")]
    Chain {
        /// Height that was to follow.
        height: u64,
    },
}

/// Where a reading of a segment has come to.
///
/// ```text
/// let mut reader = SegmentReader::begin(&first HEADER_LEN bytes)?;
/// while there are bytes {
///     let length = reader.entry_len(&next HEAD_LEN bytes)?;
///     let entry = reader.entry(&the length bytes from there)?;
/// }
/// ```
#[derive(Clone, Debug)]
pub struct SegmentReader {
    header: SegmentHeader,
    offset: u64,
    next_height: u64,
    previous: Hash,
}

impl SegmentReader {
    /// Bytes before the first entry.
    pub const HEADER_LEN: usize = FIRST_ENTRY_OFFSET;
    /// Bytes of an entry that tell how long it is.
    pub const HEAD_LEN: usize = HEAD_LEN;

    /// Reads the first [`Self::HEADER_LEN`] bytes.
    pub fn begin(bytes: &[u8]) -> Result<Self, SegmentError> {
        let (HeaderRead::Good(header) | HeaderRead::OneBad(header, _)) = SegmentHeader::read(bytes)? else {
            return Err(SegmentError::NoSegment);
        };
        let (next_height, previous) = (header.first_height, header.previous);
        Ok(Self { header, offset: Self::HEADER_LEN as u64, next_height, previous })
    }

    /// The chain whose blocks these are, as the segment says.
    pub fn identity(&self) -> &Identity {
        &self.header.identity
    }

    /// Height of the next entry.
    pub fn next_height(&self) -> u64 {
        self.next_height
    }

    /// Whole length of the next entry, by its first [`Self::HEAD_LEN`] bytes.
    pub fn entry_len(&self, head: &[u8]) -> Result<usize, SegmentError> {
        let SegmentHeader { identity, first_height, .. } = &self.header;
        let head = decode_head(identity, *first_height, self.offset, head);
        head.map(|head| head.entry_len()).ok_or_else(|| self.wrong(EntryError::Head))
    }

    /// The next entry, verified: checksum, place, content, and that it follows the one before it.
    pub fn entry(&mut self, bytes: &[u8]) -> Result<Entry, SegmentError> {
        let SegmentHeader { identity, first_height, .. } = &self.header;
        let head = decode_head(identity, *first_height, self.offset, bytes);
        let head = head.ok_or_else(|| self.wrong(EntryError::Head))?;
        if (head.height, head.previous) != (self.next_height, self.previous) {
            return Err(SegmentError::Chain { height: self.next_height });
        }
        let body = bytes.get(HEAD_LEN..head.entry_len()).ok_or_else(|| self.wrong(EntryError::Cut))?;
        let (block, certificate) = check_body(&head, body).ok_or_else(|| self.wrong(EntryError::Body))?;
        let (height, chain_hash) = (head.height, head.chain_hash);
        self.offset += head.entry_len() as u64;
        self.next_height = height.checked_add(1).ok_or(SegmentError::Chain { height })?;
        self.previous = chain_hash;
        Ok(Entry { height, block: block.to_vec(), certificate: certificate.to_vec(), chain_hash })
    }

    fn wrong(&self, error: EntryError) -> SegmentError {
        SegmentError::Entry { height: self.next_height, error }
    }
}
