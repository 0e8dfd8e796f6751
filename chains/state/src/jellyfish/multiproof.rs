//! The multiproofs of a Jellyfish tree: walks down with the sorted key hashes and writes what it meets.

use super::JellyfishTree;
use crate::arena;
use crate::entry::{Child, bit};
use crate::multiproof::jellyfish::Node;
use crate::node_hash::node_hash;
use catenary_crypto::Hash;

impl JellyfishTree {
    /// The nodes that answer `keys`. `None` if the version is not kept.
    pub(crate) fn multiproof(&self, version: u64, keys: &[&[u8]]) -> Option<Vec<Node>> {
        let root = self.history.root(version)?;
        let mut paths: Vec<Hash> = keys.iter().map(|key| node_hash(&[key])).collect();
        paths.sort_unstable();
        paths.dedup();
        let mut nodes = Vec::new();
        self.collect(root, 0, &paths, &mut nodes);
        Some(nodes)
    }

    fn collect(&self, at: Child, depth: usize, paths: &[Hash], nodes: &mut Vec<Node>) {
        match at.node.unpack() {
            arena::Node::Empty => nodes.push(Node::Empty),
            _ if paths.is_empty() => nodes.push(Node::Opaque(at.hash)),
            arena::Node::Leaf(handle) => {
                let entry = self.leaves.get(handle);
                let path = node_hash(&[entry.key()]);
                nodes.push(match paths.binary_search(&path) {
                    Ok(_) => Node::Queried,
                    Err(_) => Node::Other { path, value_hash: node_hash(&[entry.value()]) },
                });
            }
            arena::Node::Inner(handle) => {
                nodes.push(Node::Inner);
                let [left, right] = self.inner.children(handle);
                let (left_paths, right_paths) =
                    paths.split_at(paths.partition_point(|path| !bit(&path.0, depth)));
                self.collect(left, depth + 1, left_paths, nodes);
                self.collect(right, depth + 1, right_paths, nodes);
            }
        }
    }
}
