//! The tree over the stores: CometBFT's simple Merkle tree, as in the Cosmos SDK.
//!
//! ```text
//!                app_hash                     leaf  = SHA256(00 ‖ len(name) ‖ name ‖ 20 ‖ SHA256(root))
//!              /          \                   inner = SHA256(01 ‖ left ‖ right)
//!          inner           replay             A list of n leaves splits at the largest power of two below n.
//!        /       \
//!   asset          ibc
//! ```

use crate::limits::STORE_STEPS_MAX;
use catenary_crypto::{Hash, inner_hash, leaf_hash, sha256};
use ics23::commitment_proof::Proof;
use ics23::{CommitmentProof, ExistenceProof, HashOp, InnerOp};

/// One step from a store's leaf up to the app hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) sibling: Hash,
    pub(crate) sibling_is_left: bool,
}

/// Hash of a store's leaf.
pub(crate) fn store_leaf(name: &str, root: &Hash) -> Hash {
    leaf_hash(&[&[name.len() as u8], name.as_bytes(), &[32], &sha256(&root.0).0].concat())
}

/// Root over leaf hashes.
pub(crate) fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => catenary_crypto::empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = halves(leaves);
            inner_hash(&root(left), &root(right))
        }
    }
}

/// Steps from one of the leaves to the root, the lowest first.
pub(crate) fn steps(leaves: &[Hash], index: usize) -> Vec<Step> {
    if leaves.len() < 2 {
        return Vec::new();
    }
    let (left, right) = halves(leaves);
    let (mut path, step) = if index < left.len() {
        (steps(left, index), Step { sibling: root(right), sibling_is_left: false })
    } else {
        (steps(right, index - left.len()), Step { sibling: root(left), sibling_is_left: true })
    };
    path.push(step);
    debug_assert!(path.len() <= STORE_STEPS_MAX, "more stores than allowed");
    path
}

/// The root that a store's leaf and its steps lead to.
pub(crate) fn root_of_steps(leaf: Hash, steps: &[Step]) -> Hash {
    steps.iter().fold(leaf, |hash, step| match step.sibling_is_left {
        true => inner_hash(&step.sibling, &hash),
        false => inner_hash(&hash, &step.sibling),
    })
}

/// The ICS-23 proof, under the `tendermint` spec, that the store `name` has the root `root`.
pub(crate) fn prove(name: &str, root: &Hash, steps: &[Step]) -> CommitmentProof {
    let path = steps.iter().map(|step| {
        let (prefix, suffix) = match step.sibling_is_left {
            true => ([&[1], &step.sibling.0[..]].concat(), Vec::new()),
            false => (vec![1], step.sibling.0.to_vec()),
        };
        InnerOp { hash: HashOp::Sha256.into(), prefix, suffix }
    });
    let proof = ExistenceProof {
        key: name.as_bytes().to_vec(),
        value: root.0.to_vec(),
        leaf: ics23::tendermint_spec().leaf_spec,
        path: path.collect(),
    };
    CommitmentProof { proof: Some(Proof::Exist(proof)) }
}

fn halves(leaves: &[Hash]) -> (&[Hash], &[Hash]) {
    leaves.split_at(leaves.len().next_power_of_two() / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_every_leaf_lead_to_the_root_of_the_stock_tree() {
        for count in 1..=20 {
            let names: Vec<String> = (0..count).map(|n| format!("store{n:02}")).collect();
            let store_root = |name: &str| sha256(name.as_bytes());
            let leaves: Vec<Hash> = names.iter().map(|name| store_leaf(name, &store_root(name))).collect();
            let raw = |name: &String| {
                let value = sha256(&store_root(name).0);
                [&[name.len() as u8], name.as_bytes(), &[32], &value.0].concat()
            };
            let stock = catenary_crypto::merkle_root(&names.iter().map(raw).collect::<Vec<_>>());
            assert_eq!(root(&leaves), stock);
            for index in 0..count {
                assert_eq!(root_of_steps(leaves[index], &steps(&leaves, index)), stock);
            }
        }
    }
}
