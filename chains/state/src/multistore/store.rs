//! One store: its name, its kind, and the tree or root behind it.

use crate::critbit::{CritBitTree, iavl_spec};
use crate::jellyfish::{JellyfishTree, jellyfish_spec};
use catenary_crypto::Hash;
use std::fmt;

/// Key of the entry that stands in every tree from its first version on, so that absence can always be proven.
pub const SENTINEL_KEY: &[u8] = &[0];
/// Value of the sentinel.
pub const SENTINEL_VALUE: &[u8] = &[1];

/// Name of a store. Stores are part of the code, so a name is a constant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreName(&'static str);

impl StoreName {
    /// A name; [`super::Multistore`] refuses one that is empty or longer than the limit.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// The text.
    pub const fn as_str(&self) -> &'static str {
        self.0
    }
}

impl fmt::Display for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// What stands under a store's root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// A Jellyfish tree: get, put and prove by key.
    Jellyfish,
    /// A Jellyfish tree with an ordered index of its keys, about 60 bytes a key more: also scans.
    IndexedJellyfish,
    /// A crit-bit tree in IAVL proof form, for packet keys only. Scans.
    CritBit,
    /// A root that is computed elsewhere; the store has no keys here.
    External,
}

impl StoreKind {
    /// The kind of tree that proofs of this store speak of.
    pub fn tree(self) -> Option<TreeKind> {
        match self {
            Self::Jellyfish | Self::IndexedJellyfish => Some(TreeKind::Jellyfish),
            Self::CritBit => Some(TreeKind::CritBit),
            Self::External => None,
        }
    }
}

/// The two kinds of provable trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeKind {
    /// Paths are hashed keys; proofs under [`jellyfish_spec`].
    Jellyfish,
    /// Sorted raw keys; proofs under the default [`iavl_spec`].
    CritBit,
}

impl TreeKind {
    /// The ICS-23 spec that proofs of such a tree verify under.
    pub fn spec(self) -> ics23::ProofSpec {
        match self {
            Self::Jellyfish => jellyfish_spec(),
            Self::CritBit => iavl_spec(),
        }
    }
}

/// Keys and values in some order.
pub type Entries<'a> = Box<dyn Iterator<Item = (&'a [u8], &'a [u8])> + 'a>;

pub(crate) enum Store {
    Jellyfish(JellyfishTree),
    CritBit(CritBitTree),
    External(Hash),
}

impl Store {
    pub(crate) fn new(kind: StoreKind) -> Self {
        match kind {
            StoreKind::Jellyfish => Self::Jellyfish(JellyfishTree::new()),
            StoreKind::IndexedJellyfish => Self::Jellyfish(JellyfishTree::with_key_index()),
            StoreKind::CritBit => Self::CritBit(CritBitTree::new()),
            StoreKind::External => Self::External(catenary_crypto::empty_root()),
        }
    }

    /// Applies a batch and returns the new root. The first batch of a tree also brings the sentinel.
    pub(crate) fn commit<'a>(
        &mut self,
        version: u64,
        batch: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    ) -> Hash {
        let sentinel = self.is_new().then_some((SENTINEL_KEY, Some(SENTINEL_VALUE)));
        let batch = sentinel.into_iter().chain(batch);
        match self {
            Self::Jellyfish(tree) => tree.commit(version, batch),
            Self::CritBit(tree) => tree.commit(version, batch),
            Self::External(root) => *root,
        }
    }

    fn is_new(&self) -> bool {
        match self {
            Self::Jellyfish(tree) => tree.latest().is_none(),
            Self::CritBit(tree) => tree.latest().is_none(),
            Self::External(_) => false,
        }
    }

    pub(crate) fn prune(&mut self, below: u64) {
        match self {
            Self::Jellyfish(tree) => tree.prune(below),
            Self::CritBit(tree) => tree.prune(below),
            Self::External(_) => {}
        }
    }
}
