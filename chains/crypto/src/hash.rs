//! SHA-256 and its 32-byte result.

use ring::digest::{Context, SHA256, digest};
use std::fmt;

/// A SHA-256 hash, 32 bytes. Shown in lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads exactly 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// SHA-256 fed piece by piece.
pub struct Hasher(Context);

impl Default for Hasher {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl Hasher {
    /// Adds bytes.
    #[must_use]
    pub fn chain(mut self, bytes: &[u8]) -> Self {
        self.0.update(bytes);
        self
    }

    /// The hash of everything added.
    pub fn finish(self) -> Hash {
        from_digest(&self.0.finish())
    }
}

/// SHA-256 of one slice.
pub fn sha256(bytes: &[u8]) -> Hash {
    from_digest(&digest(&SHA256, bytes))
}

/// SHA-256 of the concatenation of `parts`.
pub fn sha256_parts(parts: &[&[u8]]) -> Hash {
    parts.iter().fold(Hasher::default(), |hasher, part| hasher.chain(part)).finish()
}

fn from_digest(digest: &ring::digest::Digest) -> Hash {
    let mut hash = Hash::default();
    hash.0.copy_from_slice(digest.as_ref());
    hash
}
