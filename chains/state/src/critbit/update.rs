//! Batched commits of a crit-bit tree.
//!
//! A subtree and the part of the batch that falls to it are split together, at the first bit in which any two of their
//! keys differ, as if every key of the batch were there. A delete that leaves one side empty is undone by
//! [`CritBitTree::join`], so the form depends on the content alone.

use super::{CritBitTree, Inner, inner_hash, leaf_hash};
use crate::arena::{Node, NodeRef};
use crate::entry::{Child, Entry, Op, bit, first_difference, sort_batch};
use crate::node_hash::node_hash;
use catenary_crypto::Hash;

impl CritBitTree {
    /// Applies a batch and makes it a version. `None` deletes; of several changes to one key the last counts.
    ///
    /// # Panics
    /// If `version` is not above the newest, or a key is not a packet key ([`super::is_packet_key`]).
    pub fn commit<'a>(
        &mut self,
        version: u64,
        batch: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    ) -> Hash {
        let mut ops: Vec<Op<'a, &'a [u8]>> =
            batch.into_iter().map(|(key, value)| Op { path: key, key, value }).collect();
        assert!(ops.iter().all(|op| super::is_packet_key(op.key)), "a key is not a packet key");
        sort_batch(&mut ops);
        let root = self.history.latest().map_or(Child::EMPTY, |(_, root)| root);
        let root = self.update(root, &ops);
        let replaced = std::mem::take(&mut self.replaced);
        self.history.push(version, root, replaced);
        root.hash
    }

    fn update(&mut self, at: Child, ops: &[Op<'_, &[u8]>]) -> Child {
        let (Some(low), Some(high)) = (ops.first(), ops.last()) else { return at };
        let shared = self.first(at).map(|handle| self.leaves.get(handle).key());
        let between = first_difference(low.key, high.key);
        let outside = shared.and_then(|key| first_difference(low.key, key));
        let outside = outside.into_iter().chain(shared.and_then(|key| first_difference(high.key, key))).min();
        let own = match at.node.unpack() {
            Node::Inner(handle) => Some(usize::from(self.inner.get(handle).bit)),
            Node::Leaf(_) | Node::Empty => None,
        };
        let split = [between, outside, own].into_iter().flatten().min();
        let Some(split) = split else { return self.place(at, low) };

        let (left_ops, right_ops) = ops.split_at(ops.partition_point(|op| !bit(op.key, split)));
        let (left, right) = match at.node.unpack() {
            Node::Inner(handle) if own == Some(split) => self.inner.get(handle).children.into(),
            _ if shared.is_some_and(|key| bit(key, split)) => (Child::EMPTY, at),
            _ => (at, Child::EMPTY),
        };
        let new_left = self.update(left, left_ops);
        let new_right = self.update(right, right_ops);
        if own == Some(split) {
            if new_left == left && new_right == right {
                return at;
            }
            self.replaced.push(at.node);
        }
        self.join(split, new_left, new_right)
    }

    /// Applies one change to an empty place, or to the leaf of that very key.
    fn place(&mut self, at: Child, op: &Op<'_, &[u8]>) -> Child {
        if let (Node::Leaf(handle), Some(value)) = (at.node.unpack(), op.value)
            && self.leaves.get(handle).value() == value
        {
            return at;
        }
        if !at.node.is_empty() {
            self.replaced.push(at.node);
        }
        let Some(value) = op.value else { return Child::EMPTY };
        let entry = Entry::new(op.key, value);
        self.spilled_bytes += entry.spilled_bytes();
        let hash = leaf_hash(op.key, &node_hash(&[value]));
        Child { node: NodeRef::leaf(self.leaves.insert(entry)), hash }
    }

    /// The subtree over two children whose keys differ first in `bit`, or the one that is not empty.
    fn join(&mut self, bit: usize, left: Child, right: Child) -> Child {
        let Some(first) = self.first(left) else { return right };
        if right.node.is_empty() {
            return left;
        }
        let height = 1 + self.height(left).max(self.height(right));
        let size = self.size(left) + self.size(right);
        let inner = Inner {
            children: [left, right],
            size: u32::try_from(size).expect("handles of leaves fit 31 bits"),
            first,
            bit: u16::try_from(bit).expect("a packet key has fewer bits than that"),
            height: u16::try_from(height).expect("a tree is not deeper than its keys have bits"),
        };
        let hash = inner_hash(height, size, &left.hash, &right.hash);
        Child { node: NodeRef::inner(self.inner.insert(inner)), hash }
    }
}
