//! Sealed values: an index value together with a checksum bound to its key.
//!
//! ```text
//! sealed = value ‖ SHA-256("catenary/sealed/1" ‖ BE64(len(key)) ‖ key ‖ value)[..8]
//! ```
//!
//! The store below may lose, swap or change values without a word; a sealed value is either the one that
//! was put under this key (now or earlier) or an error.

use crate::layout::{CHECKSUM_LEN, Checksum, checksum};
use thiserror::Error;

/// Bytes that sealing adds to a value.
pub const OVERHEAD: usize = CHECKSUM_LEN;

/// A stored value is not one that was sealed under this key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UnsealError {
    /// Shorter than a checksum.
    #[error("sealed value has {actual} bytes, fewer than its checksum")]
    TooShort {
        /// Length found.
        actual: usize,
    },
    /// The checksum does not fit key and value.
    #[error("checksum of a sealed value does not fit its key and content")]
    Mismatch,
}

/// Seals `value` under `key`.
pub fn seal(key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(value.len() + OVERHEAD);
    sealed.extend_from_slice(value);
    sealed.extend_from_slice(&seal_checksum(key, value));
    sealed
}

/// The value that was sealed under `key`.
pub fn unseal<'a>(key: &[u8], sealed: &'a [u8]) -> Result<&'a [u8], UnsealError> {
    let (value, sum) =
        sealed.split_last_chunk::<CHECKSUM_LEN>().ok_or(UnsealError::TooShort { actual: sealed.len() })?;
    if seal_checksum(key, value) == *sum { Ok(value) } else { Err(UnsealError::Mismatch) }
}

fn seal_checksum(key: &[u8], value: &[u8]) -> Checksum {
    checksum(&[b"catenary/sealed/1", &(key.len() as u64).to_be_bytes(), key, value])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bytes_are_pinned() {
        assert_eq!(hex::encode(seal(b"key", b"value")), include_str!("../fixtures/sealed.hex").trim());
    }

    proptest! {
        #[test]
        fn any_change_of_key_or_value_is_seen(
            key in proptest::collection::vec(any::<u8>(), 0..20),
            value in proptest::collection::vec(any::<u8>(), 0..40),
            bit in any::<proptest::sample::Index>(),
        ) {
            let sealed = seal(&key, &value);
            prop_assert_eq!(unseal(&key, &sealed), Ok(&value[..]));

            let mut flipped = sealed.clone();
            let bit_index = bit.index(flipped.len() * 8);
            flipped[bit_index / 8] ^= 1 << (bit_index % 8);
            prop_assert_eq!(unseal(&key, &flipped), Err(UnsealError::Mismatch));

            let mut other = key.clone();
            other.push(0);
            prop_assert_eq!(unseal(&other, &sealed), Err(UnsealError::Mismatch));
            prop_assert!(unseal(&key, &sealed[..sealed.len() - 1]).is_err());
        }

        #[test]
        fn arbitrary_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(unseal(b"key", &bytes).is_err());
        }
    }
}
