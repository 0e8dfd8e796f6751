//! What the formats share: big-endian integers, checksums, padding and limits.

use catenary_crypto::{Hash, sha256_parts};
use thiserror::Error;

/// Longest payload of a journal record, block or certificate, in bytes. A length beyond it is damage.
pub const PAYLOAD_BYTES_MAX: usize = 64 << 20;

/// Frames and entries start at multiples of this, so that a search after damage has few candidates.
pub(crate) const ALIGNMENT: usize = 8;

/// Fills up to the alignment. Not zero: a disk that lost a write shows zeros, and the last byte of every
/// frame must tell the difference.
const PADDING: u8 = 0xa5;

/// Bytes of a checksum: the head of a SHA-256. It guards against accidents, not against a person with
/// write access to the disk; those are caught by the hash chain and the certificates.
pub(crate) const CHECKSUM_LEN: usize = 8;

/// See [`CHECKSUM_LEN`].
pub(crate) type Checksum = [u8; CHECKSUM_LEN];

const _: () = assert!(PAYLOAD_BYTES_MAX <= u32::MAX as usize);
const _: () = assert!(CHECKSUM_LEN <= Hash::LEN);

/// A file was written by a version of the format that this build does not know.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("file format version {found} is not supported, this build reads version {supported}")]
pub struct UnsupportedVersion {
    /// Version in the file.
    pub found: u32,
    /// The one version this build reads.
    pub supported: u32,
}

/// The checksum of the concatenation of `parts`; the first part is a tag that separates uses.
pub(crate) fn checksum(parts: &[&[u8]]) -> Checksum {
    let mut sum = Checksum::default();
    sum.copy_from_slice(&sha256_parts(parts).0[..CHECKSUM_LEN]);
    sum
}

/// Length of the padding after `len` bytes: 1 to 8, so that every frame ends with a padding byte.
pub(crate) const fn padding_len(len: usize) -> usize {
    ALIGNMENT - len % ALIGNMENT
}

/// Appends the padding after a body of `len` bytes.
pub(crate) fn pad(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(&[PADDING; ALIGNMENT][..padding_len(len)]);
}

/// Whether `bytes` is padding and nothing else.
pub(crate) fn is_padding(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == PADDING)
}

/// Reads fixed-width fields off the front of a slice.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(len)?;
        self.0 = tail;
        Some(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn hash(&mut self) -> Option<Hash> {
        self.array().map(Hash)
    }
}
