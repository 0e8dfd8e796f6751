//! The tree of the `ibc` store: a crit-bit tree over raw keys whose hashes have the form of IAVL nodes, so that every
//! stock verifier with the default specs `[iavl, tendermint]` accepts its proofs.
//!
//! A crit-bit tree has an inner node exactly where the keys below it first differ in a bit; its form follows from its
//! content alone. Height and size, which an IAVL node hashes, follow from the form.
//!
//! ```text
//!   inner, bit 18, height 2, size 3        leaf  = SHA256(00 02 00 ‖ len(key) ‖ key ‖ 20 ‖ SHA256(value))
//!     0/                  \1               inner = SHA256(zz(height) ‖ zz(size) ‖ 00 ‖ 20 ‖ left ‖ 20 ‖ right)
//!   00 = 01       inner, bit 105           height: 0 of a leaf, else 1 + the larger child's
//!  (sentinel)     height 1, size 2         size: leaves below
//!                  0/           \1         zz: zigzag varint; 00 after the size is IAVL's version
//!            bft-0‖01‖7     bft-0‖02‖7
//! ```
//!
//! Depth is at most the number of bits in which keys differ. Packet sequences grow by one, so that is about log₂ of
//! the packets per client and kind; keys that anybody may choose do not belong here, and [`is_packet_key`] refuses them.

mod key;
mod multiproof;
mod prove;
mod update;

use crate::arena::{Arena, Node, NodeRef};
use crate::entry::{Child, Entry, bit};
use crate::history::History;
use crate::jellyfish::TreeStats;
use crate::node_hash::node_hash;
use catenary_crypto::Hash;

pub use key::is_packet_key;
pub use prove::iavl_spec;
pub(crate) use prove::{put_varint, varint};

const LEAF_PREFIX: [u8; 3] = [0, 2, 0];
const HASH_LENGTH: [u8; 1] = [32];

/// Hash of a leaf from its key and the hash of its value.
pub(crate) fn leaf_hash(key: &[u8], value_hash: &Hash) -> Hash {
    node_hash(&[&LEAF_PREFIX, &varint(key.len() as u64), key, &HASH_LENGTH, &value_hash.0])
}

/// Hash of an inner node.
pub(crate) fn inner_hash(height: u64, size: u64, left: &Hash, right: &Hash) -> Hash {
    node_hash(&[&inner_prefix(height, size), &left.0, &HASH_LENGTH, &right.0])
}

/// The bytes of an inner node before its left child.
fn inner_prefix(height: u64, size: u64) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(12);
    // Zigzag of a number that is not negative is its double; the version is 0.
    put_varint(&mut prefix, height << 1);
    put_varint(&mut prefix, size << 1);
    prefix.push(0);
    prefix.extend(HASH_LENGTH);
    prefix
}

/// An inner node. Both children are never empty.
#[derive(Default)]
struct Inner {
    children: [Child; 2],
    size: u32,
    /// The left-most leaf below, whose key stands for what all keys below share.
    first: u32,
    /// The bit in which the keys of the two children differ first.
    bit: u16,
    height: u16,
}

/// The tree. Versions are given by the caller and only grow.
pub struct CritBitTree {
    inner: Arena<Inner>,
    leaves: Arena<Entry>,
    history: History,
    /// Nodes that the commit under way has replaced.
    replaced: Vec<NodeRef>,
    spilled_bytes: usize,
}

impl CritBitTree {
    /// An empty tree.
    pub fn new() -> Self {
        Self {
            inner: Arena::new(),
            leaves: Arena::new(),
            history: History::new(),
            replaced: Vec::new(),
            spilled_bytes: 0,
        }
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
        self.history.latest().map_or(0, |(_, root)| self.size(root) as usize)
    }

    /// Whether the newest version has no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a key in the newest version.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.history.latest().and_then(|(_, root)| self.get_below(root, key))
    }

    /// The value of a key in a version.
    pub fn get_at(&self, version: u64, key: &[u8]) -> Option<&[u8]> {
        self.history.root(version).and_then(|root| self.get_below(root, key))
    }

    /// The keys of the newest version that start with `prefix`, in order, with their values.
    pub fn scan<'a>(&'a self, prefix: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let root = self.history.latest().map_or(Child::EMPTY, |(_, root)| root);
        self.entries(self.stack_from(root, prefix)).take_while(move |(key, _)| key.starts_with(prefix))
    }

    /// All keys and values of a version, in order of key. `None` if the version is not kept.
    pub fn iter(&self, version: u64) -> Option<impl Iterator<Item = (&[u8], &[u8])>> {
        self.history.root(version).map(|root| self.entries(vec![root.node]))
    }

    /// Drops versions below `below`, but never the newest, and recycles the nodes that only they needed.
    pub fn prune(&mut self, below: u64) {
        for node in self.history.prune(below) {
            match node.unpack() {
                Node::Empty => {}
                Node::Leaf(handle) => self.spilled_bytes -= self.leaves.remove(handle).spilled_bytes(),
                Node::Inner(handle) => drop(self.inner.remove(handle)),
            }
        }
    }

    /// What the tree holds.
    pub fn stats(&self) -> TreeStats {
        TreeStats {
            leaves: self.len(),
            leaf_nodes: self.leaves.live(),
            inner_nodes: self.inner.live(),
            bytes: self.inner.bytes() + self.leaves.bytes() + self.spilled_bytes,
        }
    }

    /// Recomputes every hash, height and size and checks the order of keys in the newest version.
    ///
    /// # Panics
    /// If the tree is broken.
    pub fn check_invariants(&self) {
        let Some((version, root)) = self.history.latest() else { return };
        self.check_below(root);
        let keys: Vec<&[u8]> = self.entries(vec![root.node]).map(|(key, _)| key).collect();
        assert_eq!(keys.len(), self.len(), "leaves of version {version}");
        assert!(keys.is_sorted_by(|a, b| a < b), "keys are not in order");
        assert!(keys.iter().all(|key| self.get(key).is_some()), "a leaf is not where its key leads");
    }

    fn check_below(&self, at: Child) {
        match at.node.unpack() {
            Node::Empty => assert_eq!(at, Child::EMPTY),
            Node::Leaf(handle) => {
                let entry = self.leaves.get(handle);
                assert_eq!(at.hash, leaf_hash(entry.key(), &node_hash(&[entry.value()])), "hash of a leaf");
            }
            Node::Inner(handle) => {
                let node = self.inner.get(handle);
                let [left, right] = node.children;
                let height = 1 + self.height(left).max(self.height(right));
                let size = self.size(left) + self.size(right);
                assert_eq!((u64::from(node.height), u64::from(node.size)), (height, size));
                assert_eq!(
                    at.hash,
                    inner_hash(height, size, &left.hash, &right.hash),
                    "hash of an inner node"
                );
                assert_eq!(node.first, self.first(left).expect("a child is never empty"));
                self.check_below(left);
                self.check_below(right);
            }
        }
    }

    fn height(&self, at: Child) -> u64 {
        match at.node.unpack() {
            Node::Inner(handle) => u64::from(self.inner.get(handle).height),
            Node::Leaf(_) | Node::Empty => 0,
        }
    }

    fn size(&self, at: Child) -> u64 {
        match at.node.unpack() {
            Node::Inner(handle) => u64::from(self.inner.get(handle).size),
            Node::Leaf(_) => 1,
            Node::Empty => 0,
        }
    }

    /// The left-most leaf.
    fn first(&self, at: Child) -> Option<u32> {
        match at.node.unpack() {
            Node::Inner(handle) => Some(self.inner.get(handle).first),
            Node::Leaf(handle) => Some(handle),
            Node::Empty => None,
        }
    }

    fn get_below(&self, root: Child, key: &[u8]) -> Option<&[u8]> {
        let mut node = root.node;
        while let Node::Inner(handle) = node.unpack() {
            let inner = self.inner.get(handle);
            node = inner.children[usize::from(bit(key, usize::from(inner.bit)))].node;
        }
        let Node::Leaf(handle) = node.unpack() else { return None };
        let entry = self.leaves.get(handle);
        (entry.key() == key).then(|| entry.value())
    }

    /// Whether a key belongs to the right child of an inner node: it is not below the smallest key there. Unlike the
    /// bit this is right for every key, also for one that is not in the tree.
    fn goes_right(&self, inner: &Inner, key: &[u8]) -> bool {
        let first = self.first(inner.children[1]).expect("a child is never empty");
        self.leaves.get(first).key() <= key
    }

    /// The subtrees that together hold exactly the keys not below `from`, the smallest on top.
    fn stack_from(&self, root: Child, from: &[u8]) -> Vec<NodeRef> {
        let mut stack = Vec::new();
        let mut node = root.node;
        while let Node::Inner(handle) = node.unpack() {
            let inner = self.inner.get(handle);
            if self.goes_right(inner, from) {
                node = inner.children[1].node;
            } else {
                stack.push(inner.children[1].node);
                node = inner.children[0].node;
            }
        }
        if let Node::Leaf(handle) = node.unpack()
            && self.leaves.get(handle).key() >= from
        {
            stack.push(node);
        }
        stack
    }

    fn entries(&self, mut stack: Vec<NodeRef>) -> impl Iterator<Item = (&[u8], &[u8])> {
        std::iter::from_fn(move || {
            loop {
                match stack.pop()?.unpack() {
                    Node::Empty => {}
                    Node::Leaf(handle) => {
                        let entry = self.leaves.get(handle);
                        return Some((entry.key(), entry.value()));
                    }
                    Node::Inner(handle) => {
                        let [left, right] = self.inner.get(handle).children;
                        stack.extend([right.node, left.node]);
                    }
                }
            }
        })
    }
}

impl Default for CritBitTree {
    fn default() -> Self {
        Self::new()
    }
}
