//! ICS-23 proofs of a Jellyfish tree, and the spec that stock verifiers check them by.
//!
//! Absence is shown by the two leaves next to the missing path, each with its full path to the root; everything
//! between them must be a placeholder. A tree with no leaf can prove nothing absent, hence the sentinel.

use super::{INNER_PREFIX, JellyfishTree, LEAF_PREFIX, PLACEHOLDER};
use crate::arena::{Node, NodeRef};
use crate::entry::bit;
use crate::limits::JELLYFISH_DEPTH_MAX;
use crate::node_hash::node_hash;
use ics23::commitment_proof::Proof;
use ics23::{
    CommitmentProof, ExistenceProof, HashOp, InnerOp, InnerSpec, LeafOp, LengthOp, NonExistenceProof,
    ProofSpec,
};

/// The ICS-23 spec of Jellyfish stores. It is that of the `jmt` crate but for `max_depth`, which is 256: below it
/// somebody who chooses keys could make a leaf whose proof Go refuses.
pub fn jellyfish_spec() -> ProofSpec {
    ProofSpec {
        leaf_spec: Some(leaf_op()),
        inner_spec: Some(InnerSpec {
            child_order: vec![0, 1],
            child_size: 32,
            min_prefix_length: INNER_PREFIX.len() as i32,
            max_prefix_length: INNER_PREFIX.len() as i32,
            empty_child: PLACEHOLDER.0.to_vec(),
            hash: HashOp::Sha256.into(),
        }),
        max_depth: JELLYFISH_DEPTH_MAX as i32,
        min_depth: 0,
        prehash_key_before_comparison: true,
    }
}

fn leaf_op() -> LeafOp {
    LeafOp {
        hash: HashOp::Sha256.into(),
        prehash_key: HashOp::Sha256.into(),
        prehash_value: HashOp::Sha256.into(),
        length: LengthOp::NoPrefix.into(),
        prefix: LEAF_PREFIX.to_vec(),
    }
}

/// One turn on the way down: an inner node and the side taken.
#[derive(Clone, Copy)]
struct Turn {
    inner: u32,
    right: bool,
}

/// The way from the root to a place, and what stands there.
#[derive(Clone)]
struct Trail {
    turns: Vec<Turn>,
    end: NodeRef,
}

impl JellyfishTree {
    /// The ICS-23 proof that `key` has its value in a version, or that it has none.
    ///
    /// `None` if the version is not kept, or holds no key at all and so can prove nothing.
    pub fn prove(&self, version: u64, key: &[u8]) -> Option<CommitmentProof> {
        let path = node_hash(&[key]);
        let mut trail = Trail { turns: Vec::new(), end: self.history.root(version)?.node };
        while let Node::Inner(inner) = trail.end.unpack() {
            let right = bit(&path.0, trail.turns.len());
            self.turn(&mut trail, inner, right);
        }
        let proof = match trail.end.unpack() {
            Node::Leaf(leaf) if self.leaves.get(leaf).key() == key => Proof::Exist(self.existence(&trail)?),
            Node::Leaf(leaf) => {
                let other_is_left = node_hash(&[self.leaves.get(leaf).key()]) < path;
                let other = self.existence(&trail);
                let beyond = self.neighbour(&trail, other_is_left).and_then(|trail| self.existence(&trail));
                let (left, right) = if other_is_left { (other, beyond) } else { (beyond, other) };
                Proof::Nonexist(NonExistenceProof { key: key.to_vec(), left, right })
            }
            Node::Empty | Node::Inner(_) => {
                let [left, right] = [false, true]
                    .map(|right| self.neighbour(&trail, right).and_then(|trail| self.existence(&trail)));
                if left.is_none() && right.is_none() {
                    return None;
                }
                Proof::Nonexist(NonExistenceProof { key: key.to_vec(), left, right })
            }
        };
        Some(CommitmentProof { proof: Some(proof) })
    }

    fn turn(&self, trail: &mut Trail, inner: u32, right: bool) {
        trail.turns.push(Turn { inner, right });
        trail.end = self.inner.links(inner)[usize::from(right)];
    }

    /// The way to the next leaf on one side of the end of a trail.
    fn neighbour(&self, trail: &Trail, right: bool) -> Option<Trail> {
        let fork = trail.turns.iter().rposition(|turn| {
            turn.right != right && !self.inner.links(turn.inner)[usize::from(right)].is_empty()
        })?;
        let mut found = Trail { turns: trail.turns[..fork].to_vec(), end: NodeRef::EMPTY };
        self.turn(&mut found, trail.turns[fork].inner, right);
        while let Node::Inner(inner) = found.end.unpack() {
            let near = self.inner.links(inner)[usize::from(!right)];
            // The near side first: to the right of a place that is the left-most leaf.
            self.turn(&mut found, inner, if near.is_empty() { right } else { !right });
        }
        Some(found)
    }

    fn existence(&self, trail: &Trail) -> Option<ExistenceProof> {
        let Node::Leaf(leaf) = trail.end.unpack() else { return None };
        let entry = self.leaves.get(leaf);
        let path = trail.turns.iter().rev().map(|turn| {
            let [left, right] = self.inner.hashes(turn.inner);
            let (prefix, suffix) = if turn.right {
                ([&INNER_PREFIX[..], &left.0].concat(), Vec::new())
            } else {
                (INNER_PREFIX.to_vec(), right.0.to_vec())
            };
            InnerOp { hash: HashOp::Sha256.into(), prefix, suffix }
        });
        Some(ExistenceProof {
            key: entry.key().to_vec(),
            value: entry.value().to_vec(),
            leaf: Some(leaf_op()),
            path: path.collect(),
        })
    }
}
