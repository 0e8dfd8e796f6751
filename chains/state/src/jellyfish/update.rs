//! Batched commits of a Jellyfish tree.
//!
//! Two mutually exclusive cases at every node: below an inner node the batch is split by the next bit of its paths
//! ([`JellyfishTree::update`]); at a leaf or an empty place new structure grows ([`JellyfishTree::grow`]). Both end in
//! [`JellyfishTree::join`], the only place where the tree's form is decided, so deletes need no case of their own.

use super::{JellyfishTree, inner_hash, leaf_hash};
use crate::arena::{Node, NodeRef};
use crate::entry::{Child, Entry, Op, bit, sort_batch};
use crate::node_hash::node_hash;
use catenary_crypto::Hash;

/// Changes whose nodes are brought into the cache together: enough to overlap the loads, few enough to still be there
/// when they are used.
const WARM_OPS: usize = 64;

impl JellyfishTree {
    /// Applies a batch and makes it a version. `None` deletes; of several changes to one key the last counts.
    ///
    /// # Panics
    /// If `version` is not above the newest.
    pub fn commit<'a>(
        &mut self,
        version: u64,
        batch: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    ) -> Hash {
        let mut ops: Vec<Op<'a, Hash>> =
            batch.into_iter().map(|(key, value)| Op { path: node_hash(&[key]), key, value }).collect();
        sort_batch(&mut ops);
        let root = self.history.latest().map_or(Child::EMPTY, |(_, root)| root);
        let root = self.update(root, 0, &ops, false);
        let replaced = std::mem::take(&mut self.replaced);
        self.history.push(version, root, replaced);
        root.hash
    }

    /// Touches everything the batch will change, level by level.
    ///
    /// A large tree does not fit the processor's cache, and the walk of [`Self::update`] waits for one node after the other.
    /// Here the loads of one level do not depend on each other, so that the processor makes many at a time: a commit of a
    /// thousand changes to a million leaves takes two thirds of the time.
    fn warm_up(&self, at: Child, depth: usize, ops: &[Op<'_, Hash>]) {
        let mut places = vec![at.node; ops.len()];
        let (mut touched, mut nodes) = (0, 0);
        for depth in depth.. {
            let (before, mut last) = (nodes, None);
            for (place, op) in places.iter_mut().zip(ops) {
                if let Node::Inner(handle) = place.unpack() {
                    nodes += usize::from(last.replace(handle) != Some(handle));
                    touched ^= self.inner.hashes(handle)[0].0[0];
                    *place = self.inner.links(handle)[usize::from(bit(&op.path.0, depth))];
                }
            }
            if nodes == before {
                break;
            }
        }
        touched ^= self.inner.touch_free(nodes);
        let leaves = places.iter().filter_map(|place| match place.unpack() {
            Node::Leaf(handle) => Some(self.leaves.get(handle)),
            Node::Empty | Node::Inner(_) => None,
        });
        touched ^= leaves.fold(0, |touched, entry| touched ^ entry.key().first().copied().unwrap_or(0));
        touched ^=
            self.leaves.next_free(ops.len()).fold(0, |touched, entry| touched ^ entry.spilled_bytes() as u8);
        std::hint::black_box(touched);
    }

    fn update(&mut self, at: Child, depth: usize, ops: &[Op<'_, Hash>], warm: bool) -> Child {
        if ops.is_empty() {
            return at;
        }
        if !warm && ops.len() <= WARM_OPS {
            self.warm_up(at, depth, ops);
            return self.update(at, depth, ops, true);
        }
        let Node::Inner(handle) = at.node.unpack() else {
            return self.grow(at, None, depth, ops);
        };
        let [left, right] = self.inner.children(handle);
        let (left_ops, right_ops) = split(ops, depth);
        let new_left = self.update(left, depth + 1, left_ops, warm);
        let new_right = self.update(right, depth + 1, right_ops, warm);
        if new_left.node == left.node && new_right.node == right.node {
            return at;
        }
        self.replaced.push(at.node);
        self.join(new_left, new_right)
    }

    /// Applies a batch where there is at most one leaf, whose path is `path` if it is already known.
    fn grow(&mut self, at: Child, path: Option<Hash>, depth: usize, ops: &[Op<'_, Hash>]) -> Child {
        let leaf = match at.node.unpack() {
            Node::Leaf(handle) => Some(handle),
            Node::Empty => None,
            Node::Inner(_) => unreachable!("only leaves and empty places grow"),
        };
        match (leaf, ops) {
            (_, []) => return at,
            (None, [op]) => return self.insert(op),
            (Some(handle), [op]) if self.leaves.get(handle).key() == op.key => {
                return self.replace(at, handle, op);
            }
            _ => {}
        }
        let (left_ops, right_ops) = split(ops, depth);
        let path = leaf.map(|handle| path.unwrap_or_else(|| node_hash(&[self.leaves.get(handle).key()])));
        let (left, right) = match path {
            Some(path) if bit(&path.0, depth) => (Child::EMPTY, at),
            _ => (at, Child::EMPTY),
        };
        let left = self.grow(left, path, depth + 1, left_ops);
        let right = self.grow(right, path, depth + 1, right_ops);
        self.join(left, right)
    }

    fn insert(&mut self, op: &Op<'_, Hash>) -> Child {
        let Some(value) = op.value else { return Child::EMPTY };
        self.length += 1;
        if let Some(index) = &mut self.index {
            index.insert(op.key.into());
        }
        self.new_leaf(op, value)
    }

    fn replace(&mut self, at: Child, handle: u32, op: &Op<'_, Hash>) -> Child {
        match op.value {
            Some(value) if self.leaves.get(handle).value() == value => at,
            Some(value) => {
                self.replaced.push(at.node);
                self.new_leaf(op, value)
            }
            None => {
                self.replaced.push(at.node);
                self.length -= 1;
                if let Some(index) = &mut self.index {
                    index.remove(op.key);
                }
                Child::EMPTY
            }
        }
    }

    fn new_leaf(&mut self, op: &Op<'_, Hash>, value: &[u8]) -> Child {
        let entry = Entry::new(op.key, value);
        self.spilled_bytes += entry.spilled_bytes();
        let hash = leaf_hash(&op.path, &node_hash(&[value]));
        Child { node: NodeRef::leaf(self.leaves.insert(entry)), hash }
    }

    /// The subtree over two children: nothing, a leaf that stands alone, or an inner node.
    fn join(&mut self, left: Child, right: Child) -> Child {
        match (left.node.unpack(), right.node.unpack()) {
            (Node::Empty, Node::Empty | Node::Leaf(_)) => right,
            (Node::Leaf(_), Node::Empty) => left,
            _ => {
                let hash = inner_hash(&left.hash, &right.hash);
                let node = NodeRef::inner(self.inner.insert([left, right]));
                Child { node, hash }
            }
        }
    }
}

fn split<'o, 'a>(ops: &'o [Op<'a, Hash>], depth: usize) -> (&'o [Op<'a, Hash>], &'o [Op<'a, Hash>]) {
    ops.split_at(ops.partition_point(|op| !bit(&op.path.0, depth)))
}
