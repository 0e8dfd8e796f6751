//! One entry: a checksummed head, a block, its certificate, padding.
//!
//! The head's checksum covers the entry's place (genesis, segment, offset) and both chain hashes; the chain
//! hash covers predecessor, height, block and certificate. The head is checked on its own: when only block
//! or certificate is bad, height and chain hash are still known and the scan goes on behind it.

use super::header::Identity;
use crate::layout::{
    ALIGNMENT, CHECKSUM_LEN, Checksum, PAYLOAD_BYTES_MAX, Reader, checksum, is_padding, pad, padding_len,
};
use catenary_crypto::{Hash, sha256, sha256_parts};
use thiserror::Error;

/// Bytes of an entry's head.
pub(super) const HEAD_LEN: usize = 104;
const MAGIC: &[u8; 4] = b"CBLE";

/// One block of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its height.
    pub height: u64,
    /// The block's bytes. Opaque here.
    pub block: Vec<u8>,
    /// The certificate's bytes. Opaque here.
    pub certificate: Vec<u8>,
    /// The hash chain up to and including this entry.
    pub chain_hash: Hash,
}

/// An entry does not read. It must not be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EntryError {
    /// The head does not fit its checksum or its place.
    #[error("damaged entry head")]
    Head,
    /// Block or certificate do not fit the chain hash.
    #[error("damaged block or certificate")]
    Body,
    /// The bytes end before the entry does.
    #[error("entry ends early")]
    Cut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) block_len: usize,
    pub(super) certificate_len: usize,
    pub(super) height: u64,
    /// Height up to which the log was flushed when this was written.
    pub(super) flushed: u64,
    pub(super) previous: Hash,
    pub(super) chain_hash: Hash,
}

/// What stands at an offset. Ends are offsets behind the padding.
pub(super) enum Read {
    Entry {
        head: Head,
        end: usize,
    },
    BadBody {
        head: Head,
        end: usize,
    },
    /// A good head whose entry reaches beyond the file.
    Cut,
    BadHead,
}

impl Head {
    pub(super) fn entry_len(&self) -> usize {
        let body = self.block_len + self.certificate_len;
        HEAD_LEN + body + padding_len(body)
    }
}

/// The hash chain's step over one entry.
pub(super) fn chain_hash(previous: Hash, height: u64, block: &[u8], certificate: &[u8]) -> Hash {
    let parts: [&[u8]; 5] = [
        b"catenary/block-log/entry/1",
        previous.as_bytes(),
        &height.to_be_bytes(),
        &sha256(block).0,
        &sha256(certificate).0,
    ];
    sha256_parts(&parts)
}

/// Appends the entry that stands at `offset` of the segment that starts with `first_height`. The lengths in
/// `head` are those of `block` and `certificate`.
pub(super) fn encode(
    identity: &Identity,
    (first_height, offset): (u64, u64),
    head: &Head,
    (block, certificate): (&[u8], &[u8]),
    out: &mut Vec<u8>,
) {
    let start = out.len();
    out.extend_from_slice(MAGIC);
    for length in [head.block_len, head.certificate_len] {
        let length = u32::try_from(length).expect("the segment writer refuses longer parts");
        out.extend_from_slice(&length.to_be_bytes());
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&head.height.to_be_bytes());
    out.extend_from_slice(&head.flushed.to_be_bytes());
    out.extend_from_slice(&head.previous.0);
    out.extend_from_slice(&head.chain_hash.0);
    let sum = head_checksum(identity, first_height, offset, &out[start..]);
    out.extend_from_slice(&sum);
    debug_assert_eq!(out.len() - start, HEAD_LEN);
    out.extend_from_slice(block);
    out.extend_from_slice(certificate);
    pad(out, block.len() + certificate.len());
}

/// Reads the entry whose bytes were taken from `offset` of the segment that starts with `first_height`.
/// Verifies place, content and chain hash; that it is the entry of a certain height is for the caller to compare.
pub fn decode_entry(
    identity: &Identity,
    first_height: u64,
    offset: u64,
    bytes: &[u8],
) -> Result<Entry, EntryError> {
    let head = decode_head(identity, first_height, offset, bytes).ok_or(EntryError::Head)?;
    let body = bytes.get(HEAD_LEN..head.entry_len()).ok_or(EntryError::Cut)?;
    let (block, certificate) = check_body(&head, body).ok_or(EntryError::Body)?;
    let Head { height, chain_hash, .. } = head;
    Ok(Entry { height, block: block.to_vec(), certificate: certificate.to_vec(), chain_hash })
}

/// Reads what stands at `offset` of a segment.
pub(super) fn read(identity: &Identity, first_height: u64, segment: &[u8], offset: usize) -> Read {
    let bytes = segment.get(offset..).unwrap_or_default();
    let Some(head) = decode_head(identity, first_height, offset as u64, bytes) else {
        return Read::BadHead;
    };
    let Some(body) = bytes.get(HEAD_LEN..head.entry_len()) else {
        return Read::Cut;
    };
    let end = offset + head.entry_len();
    match check_body(&head, body) {
        Some(_) => Read::Entry { head, end },
        None => Read::BadBody { head, end },
    }
}

/// The next offset behind `offset` at which a head reads, or the end of the segment.
pub(super) fn next_head(identity: &Identity, first_height: u64, segment: &[u8], offset: usize) -> usize {
    (offset + ALIGNMENT..segment.len())
        .step_by(ALIGNMENT)
        .find(|&at| decode_head(identity, first_height, at as u64, &segment[at..]).is_some())
        .unwrap_or(segment.len())
}

pub(super) fn decode_head(identity: &Identity, first_height: u64, offset: u64, bytes: &[u8]) -> Option<Head> {
    let bytes = bytes.get(..HEAD_LEN)?;
    if !bytes.starts_with(MAGIC) {
        return None;
    }
    let (covered, sum) = bytes.split_at(HEAD_LEN - CHECKSUM_LEN);
    if head_checksum(identity, first_height, offset, covered) != sum {
        return None;
    }
    let mut reader = Reader(&covered[MAGIC.len()..]);
    let block_len = reader.u32()? as usize;
    let certificate_len = reader.u32()? as usize;
    let _reserved = reader.u32()?;
    let height = reader.u64()?;
    let flushed = reader.u64()?;
    let previous = reader.hash()?;
    let chain_hash = reader.hash()?;
    let fits = block_len <= PAYLOAD_BYTES_MAX && certificate_len <= PAYLOAD_BYTES_MAX;
    fits.then_some(Head { block_len, certificate_len, height, flushed, previous, chain_hash })
}

pub(super) fn check_body<'a>(head: &Head, body: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (block, rest) = body.split_at_checked(head.block_len)?;
    let (certificate, padding) = rest.split_at_checked(head.certificate_len)?;
    let hash = chain_hash(head.previous, head.height, block, certificate);
    (hash == head.chain_hash && is_padding(padding)).then_some((block, certificate))
}

fn head_checksum(identity: &Identity, first_height: u64, offset: u64, covered: &[u8]) -> Checksum {
    checksum(&[
        b"catenary/block-log/head/1",
        identity.genesis_hash().as_bytes(),
        &first_height.to_be_bytes(),
        &offset.to_be_bytes(),
        covered,
    ])
}
