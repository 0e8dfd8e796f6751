//! The multiproofs of a crit-bit tree: finds the leaves to show, then writes the tree around them.

use super::CritBitTree;
use crate::arena;
use crate::entry::Child;
use crate::multiproof::critbit::Node;
use crate::node_hash::node_hash;

impl CritBitTree {
    /// The nodes that answer `keys`. `None` if the version is not kept.
    pub(crate) fn multiproof(&self, version: u64, keys: &[&[u8]]) -> Option<Vec<Node>> {
        let root = self.history.root(version)?;
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        keys.dedup();
        let mut shown: Vec<&[u8]> = Vec::new();
        for key in &keys {
            shown.extend(self.around(root, key));
        }
        shown.sort_unstable();
        shown.dedup();
        let mut nodes = Vec::new();
        self.collect(root, &shown, &keys, &mut nodes);
        Some(nodes)
    }

    /// The key itself if it is in the tree, else the keys next to it.
    fn around(&self, root: Child, key: &[u8]) -> impl Iterator<Item = &[u8]> {
        let (mut node, mut fork) = (root.node, None);
        while let arena::Node::Inner(handle) = node.unpack() {
            let inner = self.inner.get(handle);
            if self.goes_right(inner, key) {
                node = inner.children[1].node;
            } else {
                fork = Some(inner.children[1]);
                node = inner.children[0].node;
            }
        }
        let here = self.first(Child { node, ..root }).map(|handle| self.leaves.get(handle).key());
        let next = fork.and_then(|child| self.first(child)).map(|handle| self.leaves.get(handle).key());
        // The leaf reached is the last one not above the key, or, if there is none, the first of all.
        let next = next.filter(|_| here.is_some_and(|here| here < key));
        here.into_iter().chain(next)
    }

    /// `shown` are the keys below `at` whose leaves the proof shows; in `queried` are those that a query names.
    fn collect(&self, at: Child, shown: &[&[u8]], queried: &[&[u8]], nodes: &mut Vec<Node>) {
        match at.node.unpack() {
            _ if shown.is_empty() => nodes.push(Node::Opaque(at.hash)),
            arena::Node::Empty => {}
            arena::Node::Leaf(handle) => {
                let entry = self.leaves.get(handle);
                nodes.push(match queried.binary_search(&entry.key()) {
                    Ok(_) => Node::Queried,
                    Err(_) => {
                        Node::Other { key: entry.key().to_vec(), value_hash: node_hash(&[entry.value()]) }
                    }
                });
            }
            arena::Node::Inner(handle) => {
                let inner = self.inner.get(handle);
                nodes.push(Node::Inner { height: inner.height.into(), size: inner.size.into() });
                let (left, right) = shown.split_at(shown.partition_point(|key| !self.goes_right(inner, key)));
                self.collect(inner.children[0], left, queried, nodes);
                self.collect(inner.children[1], right, queried, nodes);
            }
        }
    }
}
