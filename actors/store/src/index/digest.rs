//! The digest of a key space: changes with every entry, whatever the order they came in.

use catenary_crypto::{Hash, sha256_parts};

/// The exclusive or of the hashes of all entries. Against accidents, not against somebody who picks entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Digest(Hash);

impl Digest {
    /// Takes an entry in, or out if it is in.
    pub(super) fn toggle(&mut self, key: &[u8], stored: &[u8]) {
        let length = (key.len() as u64).to_be_bytes();
        let entry = sha256_parts(&[b"catenary/index/entry/1", &length, key, stored]);
        self.0.0.iter_mut().zip(entry.0).for_each(|(own, other)| *own ^= other);
    }

    pub(super) fn as_bytes(&self) -> &[u8; Hash::LEN] {
        self.0.as_bytes()
    }
}
