//! A sparse Merkle tree over hashed keys, in memory, with the roots and proofs of the `jmt` crate.
//!
//! The path of a key is its SHA-256, most significant bit first. A subtree without leaves hashes to a placeholder,
//! one with a single leaf *is* that leaf, any other is an inner node; so depth is about log₂ of the number of leaves
//! and the form follows from the content alone.
//!
//! ```text
//!             inner                     leaf  = SHA256("JMT::LeafNode" ‖ SHA256(key) ‖ SHA256(value))
//!           0/     \1                   inner = SHA256("JMT::IntrnalNode" ‖ left ‖ right)
//!        inner      leaf 1011…          empty = "SPARSE_MERKLE_PLACEHOLDER_HASH__"
//!       0/   \1
//!   empty     inner                     A parent stores both children's hashes: re-hashing it never reads a sibling.
//!            0/   \1
//!     leaf 010…   leaf 011…
//! ```
//!
//! A commit sorts its batch by path, walks down once, copies the nodes it changes and hashes each of them once. Nodes of
//! older versions stay as they are until [`JellyfishTree::prune`].
//!
//! Key hashes are not stored: a commit needs one only where a new key meets another leaf, and 40 ns of hashing is
//! cheaper than 32 bytes in every leaf.

mod multiproof;
mod nodes;
mod prove;
mod update;

use crate::arena::{Arena, Node, NodeRef};
use crate::entry::{Child, Entry, bit};
use crate::history::History;
use crate::node_hash::{node_hash, pair_hash};
use catenary_crypto::Hash;
use nodes::InnerNodes;
use std::collections::BTreeSet;
use std::ops::Bound;

pub use prove::jellyfish_spec;

/// Domain of leaf hashes.
pub(crate) const LEAF_PREFIX: &[u8] = b"JMT::LeafNode";
/// Domain of inner hashes.
pub(crate) const INNER_PREFIX: &[u8; 16] = b"JMT::IntrnalNode";
/// Hash of a subtree without leaves.
pub(crate) const PLACEHOLDER: Hash = Hash(*b"SPARSE_MERKLE_PLACEHOLDER_HASH__");

/// Hash of a leaf from the hashes of key and value.
pub(crate) fn leaf_hash(key_hash: &Hash, value_hash: &Hash) -> Hash {
    node_hash(&[LEAF_PREFIX, &key_hash.0, &value_hash.0])
}

/// Hash of an inner node.
pub(crate) fn inner_hash(left: &Hash, right: &Hash) -> Hash {
    pair_hash(INNER_PREFIX, left, right)
}

/// What a tree holds, for metrics and benchmarks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeStats {
    /// Leaves of the newest version.
    pub leaves: usize,
    /// Leaf slots in use, those of older versions included.
    pub leaf_nodes: usize,
    /// Inner nodes in use, those of older versions included.
    pub inner_nodes: usize,
    /// Bytes of nodes, keys and values, without the allocator's overhead and the key index.
    pub bytes: usize,
}

/// The tree. Versions are given by the caller and only grow.
pub struct JellyfishTree {
    inner: InnerNodes,
    leaves: Arena<Entry>,
    history: History,
    /// Nodes that the commit under way has replaced.
    replaced: Vec<NodeRef>,
    /// Raw keys of the newest version in order, for scans.
    index: Option<BTreeSet<Box<[u8]>>>,
    length: usize,
    spilled_bytes: usize,
}

impl JellyfishTree {
    /// An empty tree that cannot be scanned in key order.
    pub fn new() -> Self {
        Self {
            inner: InnerNodes::new(),
            leaves: Arena::new(),
            history: History::new(),
            replaced: Vec::new(),
            index: None,
            length: 0,
            spilled_bytes: 0,
        }
    }

    /// An empty tree with an ordered index of its keys, about 60 bytes a leaf more.
    pub fn with_key_index() -> Self {
        Self { index: Some(BTreeSet::new()), ..Self::new() }
    }

    /// The root hash of a version; `None` if it was never committed or is pruned.
    pub fn root(&self, version: u64) -> Option<Hash> {
        self.history.root(version).map(|root| root.hash)
    }

    /// The newest version and its root hash.
    pub fn latest(&self) -> Option<(u64, Hash)> {
        self.history.latest().map(|(version, root)| (version, root.hash))
    }

    /// Number of keys in the newest version.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether the newest version has no key.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The value of a key in the newest version.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.history.latest().and_then(|(_, root)| self.get_below(root, key))
    }

    /// The value of a key in a version.
    pub fn get_at(&self, version: u64, key: &[u8]) -> Option<&[u8]> {
        self.history.root(version).and_then(|root| self.get_below(root, key))
    }

    /// The keys of the newest version that start with `prefix`, in order, with their values. `None` without an index.
    pub fn scan<'a>(&'a self, prefix: &'a [u8]) -> Option<impl Iterator<Item = (&'a [u8], &'a [u8])>> {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let keys = self.index.as_ref()?.range::<[u8], _>(from);
        Some(keys.take_while(move |key| key.starts_with(prefix)).map(|key| {
            let value = self.get(key).expect("the index holds exactly the keys of the newest version");
            (&key[..], value)
        }))
    }

    /// All keys and values of a version, in order of key hash. `None` if the version is not kept.
    pub fn iter(&self, version: u64) -> Option<impl Iterator<Item = (&[u8], &[u8])>> {
        let mut stack = vec![self.history.root(version)?.node];
        Some(std::iter::from_fn(move || {
            loop {
                match stack.pop()?.unpack() {
                    Node::Empty => {}
                    Node::Leaf(handle) => {
                        let entry = self.leaves.get(handle);
                        return Some((entry.key(), entry.value()));
                    }
                    Node::Inner(handle) => {
                        let [left, right] = self.inner.links(handle);
                        stack.extend([right, left]);
                    }
                }
            }
        }))
    }

    /// Drops versions below `below`, but never the newest, and recycles the nodes that only they needed.
    pub fn prune(&mut self, below: u64) {
        for node in self.history.prune(below) {
            match node.unpack() {
                Node::Empty => {}
                Node::Leaf(handle) => self.spilled_bytes -= self.leaves.remove(handle).spilled_bytes(),
                Node::Inner(handle) => self.inner.remove(handle),
            }
        }
    }

    /// What the tree holds.
    pub fn stats(&self) -> TreeStats {
        TreeStats {
            leaves: self.length,
            leaf_nodes: self.leaves.live(),
            inner_nodes: self.inner.live(),
            bytes: self.inner.bytes() + self.leaves.bytes() + self.spilled_bytes,
        }
    }

    /// Recomputes every hash and checks every leaf's place in the newest version.
    ///
    /// # Panics
    /// If the tree is broken.
    pub fn check_invariants(&self) {
        let Some((version, root)) = self.history.latest() else { return };
        assert_eq!(self.check_below(root, 0), self.length, "leaves of version {version}");
        if let Some(index) = &self.index {
            assert_eq!(index.len(), self.length, "keys in the index");
            assert!(index.iter().all(|key| self.get(key).is_some()), "a key of the index is not in the tree");
        }
    }

    fn check_below(&self, at: Child, depth: usize) -> usize {
        match at.node.unpack() {
            Node::Empty => {
                assert_eq!(at.hash, PLACEHOLDER);
                0
            }
            Node::Leaf(handle) => {
                let entry = self.leaves.get(handle);
                assert_eq!(at.hash, entry_hash(entry), "hash of a leaf");
                assert_eq!(self.get(entry.key()), Some(entry.value()), "a leaf is not where its key leads");
                1
            }
            Node::Inner(handle) => {
                let [left, right] = self.inner.children(handle);
                assert_eq!(
                    at.hash,
                    inner_hash(&left.hash, &right.hash),
                    "hash of an inner node, level {depth}"
                );
                let leaves = self.check_below(left, depth + 1) + self.check_below(right, depth + 1);
                assert!(leaves >= 2, "an inner node holds {leaves} leaves");
                leaves
            }
        }
    }

    fn get_below(&self, root: Child, key: &[u8]) -> Option<&[u8]> {
        let path = node_hash(&[key]);
        let mut node = root.node;
        for depth in 0.. {
            match node.unpack() {
                Node::Empty => break,
                Node::Leaf(handle) => {
                    let entry = self.leaves.get(handle);
                    return (entry.key() == key).then(|| entry.value());
                }
                Node::Inner(handle) => {
                    node = self.inner.links(handle)[usize::from(bit(&path.0, depth))];
                }
            }
        }
        None
    }
}

impl Default for JellyfishTree {
    fn default() -> Self {
        Self::new()
    }
}

fn entry_hash(entry: &Entry) -> Hash {
    leaf_hash(&node_hash(&[entry.key()]), &node_hash(&[entry.value()]))
}
