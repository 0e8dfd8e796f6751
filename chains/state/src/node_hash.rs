//! SHA-256 of tree nodes: short inputs, padded here and compressed directly.
//!
//! Hashing is most of the work of a commit. For the 77 and 80 bytes of Jellyfish nodes this takes two thirds of the time
//! of `ring`, whose context and buffering cost as much as one of the two blocks.

use catenary_crypto::Hash;
use sha2::digest::generic_array::GenericArray;
use sha2::{Digest, Sha256, compress256};

const BLOCK: usize = 64;
/// Longest input that is padded here: two blocks less the end mark and the length.
const SHORT: usize = 2 * BLOCK - 9;
/// SHA-256's initial state (FIPS 180-4, 5.3.3).
const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// SHA-256 over the concatenation of `parts`.
#[inline]
pub(crate) fn node_hash(parts: &[&[u8]]) -> Hash {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    if length > SHORT {
        let hasher = parts.iter().fold(Sha256::new(), |hasher, part| hasher.chain_update(part));
        return Hash(hasher.finalize().into());
    }
    let mut padded = [0; 2 * BLOCK];
    let mut at = 0;
    for part in parts {
        padded[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    padded[length] = 0x80;
    let blocks = if length + 9 <= BLOCK { 1 } else { 2 };
    let end = blocks * BLOCK;
    padded[end - 8..end].copy_from_slice(&(8 * length as u64).to_be_bytes());

    let mut state = INITIAL;
    let (first, second) = padded.split_at(BLOCK);
    let blocks = &[*GenericArray::from_slice(first), *GenericArray::from_slice(second)][..blocks];
    compress256(&mut state, blocks);
    let mut hash = Hash::default();
    for (bytes, word) in hash.0.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_hash_is_the_sha256_of_the_whole_project() {
        for length in 0..300 {
            let bytes: Vec<u8> = (0..length).map(|at| at as u8 ^ 0x5a).collect();
            let (left, right) = bytes.split_at(length / 3);
            assert_eq!(node_hash(&[left, &[], right]), catenary_crypto::sha256(&bytes), "{length} bytes");
        }
    }
}
