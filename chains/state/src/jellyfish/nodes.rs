//! Storage of inner nodes, split by use: references are walked on every read, hashes are touched by commits and proofs
//! only. References of a million leaves fit the processor's cache, and a node's two hashes are exactly one cache line.

use crate::arena::{Arena, NodeRef};
use crate::entry::Child;
use catenary_crypto::Hash;

/// The hashes of both children.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Hashes([Hash; 2]);

/// All inner nodes of a tree.
pub(super) struct InnerNodes {
    links: Arena<[NodeRef; 2]>,
    /// In the same slots as `links`: both are inserted into and removed from together.
    hashes: Arena<Hashes>,
}

impl InnerNodes {
    pub(super) fn new() -> Self {
        Self { links: Arena::new(), hashes: Arena::new() }
    }

    pub(super) fn insert(&mut self, [left, right]: [Child; 2]) -> u32 {
        let handle = self.links.insert([left.node, right.node]);
        let same = self.hashes.insert(Hashes([left.hash, right.hash]));
        debug_assert_eq!(handle, same, "both arenas hand out the same slots");
        handle
    }

    pub(super) fn remove(&mut self, handle: u32) {
        self.links.release(handle);
        self.hashes.release(handle);
    }

    /// References to both children.
    pub(super) fn links(&self, handle: u32) -> [NodeRef; 2] {
        *self.links.get(handle)
    }

    /// Hashes of both children.
    pub(super) fn hashes(&self, handle: u32) -> &[Hash; 2] {
        &self.hashes.get(handle).0
    }

    pub(super) fn children(&self, handle: u32) -> [Child; 2] {
        let ([left, right], [left_hash, right_hash]) = (self.links(handle), self.hashes(handle));
        [Child { node: left, hash: *left_hash }, Child { node: right, hash: *right_hash }]
    }

    /// Touches the slots that the next `count` nodes will go to; the result is of no use.
    pub(super) fn touch_free(&self, count: usize) -> u8 {
        let hashes = self.hashes.next_free(count).fold(0, |touched, hashes| touched ^ hashes.0[0].0[0]);
        let links = self.links.next_free(count).filter(|links| links[0] == links[1]).count();
        hashes ^ links as u8
    }

    pub(super) fn live(&self) -> usize {
        self.links.live()
    }

    pub(super) fn bytes(&self) -> usize {
        self.links.bytes() + self.hashes.bytes()
    }
}
