//! Which versions of a tree can be read, and which nodes only older versions still need.
//!
//! ```text
//! commit 7 replaces nodes a, b  ->  retired (7: a, b)      readable: 5 6 7
//! prune(7) drops versions 5, 6  ->  a, b go back to the arena         : 7
//! ```
//!
//! A node that commit `v` replaced is part of versions before `v` only, so it is free once all of those are gone.

use crate::arena::NodeRef;
use crate::entry::Child;
use std::collections::VecDeque;

/// Roots by version, and the nodes each commit replaced.
pub(crate) struct History {
    roots: VecDeque<(u64, Child)>,
    retired: VecDeque<(u64, Vec<NodeRef>)>,
}

impl History {
    pub(crate) fn new() -> Self {
        Self { roots: VecDeque::new(), retired: VecDeque::new() }
    }

    /// The newest version and its root.
    pub(crate) fn latest(&self) -> Option<(u64, Child)> {
        self.roots.back().copied()
    }

    /// The root of a version that was committed and not pruned.
    pub(crate) fn root(&self, version: u64) -> Option<Child> {
        let at = self.roots.binary_search_by_key(&version, |(version, _)| *version).ok()?;
        Some(self.roots[at].1)
    }

    /// Adds a version above all others, with the nodes that it replaced.
    pub(crate) fn push(&mut self, version: u64, root: Child, replaced: Vec<NodeRef>) {
        if let Some((latest, _)) = self.latest() {
            assert!(version > latest, "version {version} is not above {latest}");
        }
        self.roots.push_back((version, root));
        if !replaced.is_empty() {
            self.retired.push_back((version, replaced));
        }
    }

    /// Drops versions below `below`, but never the newest, and returns the nodes that no version needs any more.
    pub(crate) fn prune(&mut self, below: u64) -> Vec<NodeRef> {
        while self.roots.len() > 1 && self.roots[0].0 < below {
            self.roots.pop_front();
        }
        let oldest = self.roots.front().map_or(0, |(version, _)| *version);
        let mut free = Vec::new();
        while self.retired.front().is_some_and(|(version, _)| *version <= oldest) {
            free.extend(self.retired.pop_front().into_iter().flat_map(|(_, nodes)| nodes));
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_freed_with_the_last_version_that_needs_them() {
        let mut history = History::new();
        let root = Child::EMPTY;
        history.push(5, root, vec![]);
        history.push(7, root, vec![NodeRef::leaf(1)]);
        history.push(9, root, vec![NodeRef::leaf(2)]);
        assert_eq!(history.prune(5), vec![]);
        assert_eq!(history.prune(6), vec![NodeRef::leaf(1)]);
        assert!(history.root(5).is_none() && history.root(7).is_some() && history.root(8).is_none());
        assert_eq!(history.prune(u64::MAX), vec![NodeRef::leaf(2)]);
        assert_eq!(history.latest().map(|(version, _)| version), Some(9));
    }
}
