//! CometBFT's simple Merkle tree (RFC 6962 hashing): the shape under every hash list in a header.
//!
//! Leaves hash as `SHA256(00 ‖ leaf)`, inner nodes as `SHA256(01 ‖ left ‖ right)`; a list of n leaves splits at the
//! largest power of two below n; the empty list hashes to SHA-256 of nothing. Source: `crypto/merkle` of CometBFT.

use crate::hash::{Hash, sha256, sha256_parts};

/// Hash of one leaf.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    sha256_parts(&[&[0], leaf])
}

/// Hash of two children.
pub fn inner_hash(left: &Hash, right: &Hash) -> Hash {
    sha256_parts(&[&[1], &left.0, &right.0])
}

/// Root of the empty list: `e3b0c442…`.
pub fn empty_root() -> Hash {
    sha256(&[])
}

/// Root over `leaves`, in the order given.
pub fn merkle_root<L: AsRef<[u8]>>(leaves: &[L]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => leaf_hash(leaf.as_ref()),
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            inner_hash(&merkle_root(left), &merkle_root(right))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn empty_root_is_the_hash_of_nothing() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(merkle_root::<Vec<u8>>(&[]).to_string(), hex);
    }

    proptest! {
        #[test]
        fn equals_the_stock_implementation(leaves in proptest::collection::vec(any::<Vec<u8>>(), 0..70)) {
            let stock = tendermint::merkle::simple_hash_from_byte_vectors::<tendermint::crypto::default::Sha256>(&leaves);
            prop_assert_eq!(merkle_root(&leaves).0, stock);
        }
    }
}
