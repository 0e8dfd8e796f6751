//! ICS-23 proofs of a crit-bit tree in IAVL form.
//!
//! Absence is shown by the two leaves next to the missing key, adjacent in the tree, each with its path to the root.

use super::{CritBitTree, HASH_LENGTH, LEAF_PREFIX, inner_prefix};
use crate::arena::{Node, NodeRef};
use ics23::commitment_proof::Proof;
use ics23::{
    CommitmentProof, ExistenceProof, HashOp, InnerOp, LeafOp, LengthOp, NonExistenceProof, ProofSpec,
};

/// The default ICS-23 spec of IAVL trees, which every client of a Cosmos chain has.
pub fn iavl_spec() -> ProofSpec {
    ics23::iavl_spec()
}

fn leaf_op() -> LeafOp {
    LeafOp {
        hash: HashOp::Sha256.into(),
        prehash_key: HashOp::NoHash.into(),
        prehash_value: HashOp::Sha256.into(),
        length: LengthOp::VarProto.into(),
        prefix: LEAF_PREFIX.to_vec(),
    }
}

/// Appends a number as a protobuf varint.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A number as a protobuf varint.
pub(crate) fn varint(number: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(2);
    put_varint(&mut out, number);
    out
}

/// One turn on the way down: an inner node and the side taken.
#[derive(Clone, Copy)]
struct Turn {
    inner: u32,
    right: bool,
}

/// The way from the root to a leaf.
struct Trail {
    turns: Vec<Turn>,
    leaf: u32,
}

impl CritBitTree {
    /// The ICS-23 proof that `key` has its value in a version, or that it has none.
    ///
    /// `None` if the version is not kept, or holds no key at all and so can prove nothing.
    pub fn prove(&self, version: u64, key: &[u8]) -> Option<CommitmentProof> {
        let root = self.history.root(version)?.node;
        let before = self.descend(Vec::new(), root, |inner| self.goes_right(inner, key))?;
        let before_key = self.leaves.get(before.leaf).key();
        let proof = if before_key == key {
            Proof::Exist(self.existence(&before))
        } else {
            // `before` is the last leaf below the key, or, if there is none, the first of all.
            let (left, right) = if before_key < key {
                let right = self.next(&before);
                (Some(self.existence(&before)), right.map(|trail| self.existence(&trail)))
            } else {
                (None, Some(self.existence(&before)))
            };
            Proof::Nonexist(NonExistenceProof { key: key.to_vec(), left, right })
        };
        Some(CommitmentProof { proof: Some(proof) })
    }

    /// Goes down from `node`, below `turns`, to a leaf. `None` in an empty tree.
    fn descend(
        &self,
        mut turns: Vec<Turn>,
        mut node: NodeRef,
        goes_right: impl Fn(&super::Inner) -> bool,
    ) -> Option<Trail> {
        while let Node::Inner(inner) = node.unpack() {
            let right = goes_right(self.inner.get(inner));
            turns.push(Turn { inner, right });
            node = self.inner.get(inner).children[usize::from(right)].node;
        }
        let Node::Leaf(leaf) = node.unpack() else { return None };
        Some(Trail { turns, leaf })
    }

    /// The way to the next leaf.
    fn next(&self, trail: &Trail) -> Option<Trail> {
        let fork = trail.turns.iter().rposition(|turn| !turn.right)?;
        let inner = trail.turns[fork].inner;
        let mut turns = trail.turns[..fork].to_vec();
        turns.push(Turn { inner, right: true });
        self.descend(turns, self.inner.get(inner).children[1].node, |_| false)
    }

    fn existence(&self, trail: &Trail) -> ExistenceProof {
        let entry = self.leaves.get(trail.leaf);
        let path = trail.turns.iter().rev().map(|turn| {
            let inner = self.inner.get(turn.inner);
            let [left, right] = &inner.children;
            let prefix = inner_prefix(u64::from(inner.height), u64::from(inner.size));
            let (prefix, suffix) = if turn.right {
                ([&prefix[..], &left.hash.0, &HASH_LENGTH].concat(), Vec::new())
            } else {
                (prefix, [&HASH_LENGTH[..], &right.hash.0].concat())
            };
            InnerOp { hash: HashOp::Sha256.into(), prefix, suffix }
        });
        ExistenceProof {
            key: entry.key().to_vec(),
            value: entry.value().to_vec(),
            leaf: Some(leaf_op()),
            path: path.collect(),
        }
    }
}
