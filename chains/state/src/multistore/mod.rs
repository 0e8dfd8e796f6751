//! All stores of a chain under one `app_hash`.
//!
//! A commit applies one batch to every store at the same version (the block height), so versions of all stores are read
//! and proven together. The caller checks nothing: a batch that a store must not take is refused before anything changes.

pub(crate) mod simple;
mod store;

pub use store::{Entries, SENTINEL_KEY, SENTINEL_VALUE, StoreKind, StoreName, TreeKind};

use crate::critbit::is_packet_key;
use crate::error::StateError;
use crate::limits::{KEY_BYTES_MAX, MULTIPROOF_NODES_MAX, STORE_NAME_BYTES_MAX, STORES_MAX, VALUE_BYTES_MAX};
use crate::multiproof::{Body, Multiproof};
use catenary_crypto::Hash;
use ics23::CommitmentProof;
use std::collections::{BTreeMap, VecDeque};
use store::Store;

/// Changes of one store: the new value of each key, `None` to delete.
pub type Batch = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// What one version changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Batches by store; a store that is not named keeps its content.
    pub stores: BTreeMap<StoreName, Batch>,
    /// New roots of [`StoreKind::External`] stores; one that is not named keeps its root, at first that of an empty
    /// simple Merkle tree.
    pub external_roots: BTreeMap<StoreName, Hash>,
}

impl Changes {
    /// Sets a value.
    pub fn put(&mut self, store: StoreName, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.stores.entry(store).or_default().insert(key.into(), Some(value.into()));
    }

    /// Deletes a key.
    pub fn delete(&mut self, store: StoreName, key: impl Into<Vec<u8>>) {
        self.stores.entry(store).or_default().insert(key.into(), None);
    }
}

/// A store's name and root.
pub type StoreRoot = (StoreName, Hash);

struct Version {
    number: u64,
    app_hash: Hash,
    /// In order of names.
    roots: Vec<StoreRoot>,
}

impl Version {
    fn leaves(&self) -> Vec<Hash> {
        self.roots.iter().map(|(name, root)| simple::store_leaf(name.as_str(), root)).collect()
    }
}

/// The stores of a chain, at the newest version and at those before it that are not pruned.
pub struct Multistore {
    stores: BTreeMap<StoreName, Store>,
    versions: VecDeque<Version>,
}

impl Multistore {
    /// Stores without content or version; the first commit writes the sentinel into every tree.
    pub fn new(stores: &[(StoreName, StoreKind)]) -> Result<Self, StateError> {
        let mut multistore = Self { stores: BTreeMap::new(), versions: VecDeque::new() };
        stores.iter().try_for_each(|(name, kind)| multistore.add_store(*name, *kind))?;
        Ok(multistore)
    }

    /// Adds a store from the next commit on, which also writes its sentinel.
    pub fn add_store(&mut self, name: StoreName, kind: StoreKind) -> Result<(), StateError> {
        let length = name.as_str().len();
        if length == 0 || length > STORE_NAME_BYTES_MAX || self.stores.contains_key(&name) {
            return Err(StateError::StoreName { name });
        }
        if self.stores.len() == STORES_MAX {
            return Err(StateError::TooManyStores { limit: STORES_MAX });
        }
        self.stores.insert(name, Store::new(kind));
        Ok(())
    }

    /// Applies changes as a new version and returns its `app_hash`. On an error nothing has changed.
    pub fn commit(&mut self, version: u64, changes: &Changes) -> Result<Hash, StateError> {
        if let Some(latest) = self.latest_version()
            && version <= latest
        {
            return Err(StateError::VersionOrder { latest, actual: version });
        }
        self.check(changes)?;
        for (name, new_root) in &changes.external_roots {
            if let Some(Store::External(root)) = self.stores.get_mut(name) {
                *root = *new_root;
            }
        }
        let none = Batch::new();
        let roots = self.stores.iter_mut().map(|(name, store)| {
            let batch = changes.stores.get(name).unwrap_or(&none).iter();
            (*name, store.commit(version, batch.map(|(key, value)| (&key[..], value.as_deref()))))
        });
        let mut record = Version { number: version, app_hash: Hash::default(), roots: roots.collect() };
        record.app_hash = simple::root(&record.leaves());
        let app_hash = record.app_hash;
        self.versions.push_back(record);
        Ok(app_hash)
    }

    /// The versions that can be read and proven, oldest first.
    pub fn versions(&self) -> impl Iterator<Item = u64> {
        self.versions.iter().map(|version| version.number)
    }

    /// The newest version.
    pub fn latest_version(&self) -> Option<u64> {
        self.versions.back().map(|version| version.number)
    }

    /// The `app_hash` of a version.
    pub fn root(&self, version: u64) -> Result<Hash, StateError> {
        Ok(self.version(version)?.app_hash)
    }

    /// Names and roots of a version's stores, in order of names.
    pub fn store_roots(&self, version: u64) -> Result<&[StoreRoot], StateError> {
        Ok(&self.version(version)?.roots)
    }

    /// Drops versions below `below`, but never the newest, and recycles their memory.
    pub fn prune(&mut self, below: u64) {
        while self.versions.len() > 1 && self.versions[0].number < below {
            self.versions.pop_front();
        }
        self.stores.values_mut().for_each(|store| store.prune(below));
    }

    /// The newest value of a key.
    pub fn get(&self, store: StoreName, key: &[u8]) -> Result<Option<&[u8]>, StateError> {
        match self.store(store)? {
            Store::Jellyfish(tree) => Ok(tree.get(key)),
            Store::CritBit(tree) => Ok(tree.get(key)),
            Store::External(_) => Err(StateError::StoreKind { name: store }),
        }
    }

    /// The value of a key in a version.
    pub fn get_at(&self, version: u64, store: StoreName, key: &[u8]) -> Result<Option<&[u8]>, StateError> {
        self.store_root(version, store)?;
        match self.store(store)? {
            Store::Jellyfish(tree) => Ok(tree.get_at(version, key)),
            Store::CritBit(tree) => Ok(tree.get_at(version, key)),
            Store::External(_) => Err(StateError::StoreKind { name: store }),
        }
    }

    /// The newest keys that start with `prefix`, in order, the sentinel left out. The store must be
    /// [`StoreKind::IndexedJellyfish`] or [`StoreKind::CritBit`].
    pub fn scan<'a>(&'a self, store: StoreName, prefix: &'a [u8]) -> Result<Entries<'a>, StateError> {
        let other_kind = StateError::StoreKind { name: store };
        let all: Entries<'a> = match self.store(store)? {
            Store::Jellyfish(tree) => Box::new(tree.scan(prefix).ok_or(other_kind)?),
            Store::CritBit(tree) => Box::new(tree.scan(prefix)),
            Store::External(_) => return Err(other_kind),
        };
        Ok(Box::new(all.filter(|(key, _)| *key != SENTINEL_KEY)))
    }

    /// Every key and value of a store in a version, the sentinel included, in an order that follows from the content:
    /// what a checkpoint is made of, and what a new [`Multistore`] takes as its first batch to come to the same root.
    pub fn iter_store(&self, version: u64, store: StoreName) -> Result<Entries<'_>, StateError> {
        self.store_root(version, store)?;
        let unknown = StateError::UnknownVersion { version };
        match self.store(store)? {
            Store::Jellyfish(tree) => Ok(Box::new(tree.iter(version).ok_or(unknown)?)),
            Store::CritBit(tree) => Ok(Box::new(tree.iter(version).ok_or(unknown)?)),
            Store::External(_) => Err(StateError::StoreKind { name: store }),
        }
    }

    /// Two plain ICS-23 proofs, lowest tree first: of the key's value or absence in its store, and of the store's root
    /// under the `app_hash`.
    pub fn prove(
        &self,
        version: u64,
        store: StoreName,
        key: &[u8],
    ) -> Result<[CommitmentProof; 2], StateError> {
        let (index, root) = self.store_root(version, store)?;
        let steps = simple::steps(&self.version(version)?.leaves(), index);
        let proof = match self.store(store)? {
            Store::Jellyfish(tree) => tree.prove(version, key),
            Store::CritBit(tree) => tree.prove(version, key),
            Store::External(_) => return Err(StateError::StoreKind { name: store }),
        };
        let proof = proof.expect("a version that is kept holds at least the sentinel");
        Ok([proof, simple::prove(store.as_str(), &root, &steps)])
    }

    /// One proof of many keys of a store, each with its value or its absence. Order and repetition do not matter.
    pub fn multiproof(
        &self,
        version: u64,
        store: StoreName,
        keys: &[&[u8]],
    ) -> Result<Multiproof, StateError> {
        if keys.is_empty() {
            return Err(StateError::NoKeys);
        }
        let (index, _) = self.store_root(version, store)?;
        let steps = simple::steps(&self.version(version)?.leaves(), index);
        let unknown = StateError::UnknownVersion { version };
        let body = match self.store(store)? {
            Store::Jellyfish(tree) => Body::Jellyfish(tree.multiproof(version, keys).ok_or(unknown)?),
            Store::CritBit(tree) => Body::CritBit(tree.multiproof(version, keys).ok_or(unknown)?),
            Store::External(_) => return Err(StateError::StoreKind { name: store }),
        };
        match body.nodes() {
            nodes if nodes > MULTIPROOF_NODES_MAX => {
                Err(StateError::TooManyKeys { nodes, limit: MULTIPROOF_NODES_MAX })
            }
            _ => Ok(Multiproof { body, steps }),
        }
    }

    /// Recomputes every hash of the newest version and checks the form of every tree.
    ///
    /// # Panics
    /// If the state is broken.
    pub fn check_invariants(&self) {
        let Some(latest) = self.versions.back() else { return };
        for (name, root) in &latest.roots {
            let actual = match &self.stores[name] {
                Store::Jellyfish(tree) => {
                    tree.check_invariants();
                    assert_eq!(tree.get(SENTINEL_KEY), Some(SENTINEL_VALUE), "sentinel of {name}");
                    tree.root(latest.number)
                }
                Store::CritBit(tree) => {
                    tree.check_invariants();
                    assert_eq!(tree.get(SENTINEL_KEY), Some(SENTINEL_VALUE), "sentinel of {name}");
                    tree.root(latest.number)
                }
                Store::External(root) => Some(*root),
            };
            assert_eq!(actual, Some(*root), "root of {name}");
        }
        assert_eq!(latest.app_hash, simple::root(&latest.leaves()), "app hash");
        assert!(self.versions.iter().is_sorted_by(|a, b| a.number < b.number), "versions grow");
    }

    fn check(&self, changes: &Changes) -> Result<(), StateError> {
        for name in changes.external_roots.keys() {
            if !matches!(self.store(*name)?, Store::External(_)) {
                return Err(StateError::StoreKind { name: *name });
            }
        }
        for (name, batch) in &changes.stores {
            let packets_only = match self.store(*name)? {
                Store::Jellyfish(_) => false,
                Store::CritBit(_) => true,
                Store::External(_) => return Err(StateError::StoreKind { name: *name }),
            };
            for (key, value) in batch {
                check_length(*name, key, KEY_BYTES_MAX)?;
                value.as_ref().map_or(Ok(()), |value| check_length(*name, value, VALUE_BYTES_MAX))?;
                if packets_only && !is_packet_key(key) {
                    return Err(StateError::NotPacketKey { name: *name, length: key.len() });
                }
                if key == SENTINEL_KEY && value.as_deref() != Some(SENTINEL_VALUE) {
                    return Err(StateError::Sentinel { name: *name });
                }
            }
        }
        Ok(())
    }

    fn store(&self, name: StoreName) -> Result<&Store, StateError> {
        self.stores.get(&name).ok_or(StateError::UnknownStore { name })
    }

    fn version(&self, number: u64) -> Result<&Version, StateError> {
        let at = self.versions.binary_search_by_key(&number, |version| version.number);
        at.map(|at| &self.versions[at]).map_err(|_| StateError::UnknownVersion { version: number })
    }

    fn store_root(&self, version: u64, name: StoreName) -> Result<(usize, Hash), StateError> {
        let roots = &self.version(version)?.roots;
        let at = roots.binary_search_by_key(&name, |(name, _)| *name);
        at.map(|at| (at, roots[at].1)).map_err(|_| StateError::UnknownStore { name })
    }
}

fn check_length(name: StoreName, bytes: &[u8], limit: usize) -> Result<(), StateError> {
    match bytes.len() {
        length if (1..=limit).contains(&length) => Ok(()),
        actual => Err(StateError::Length { name, actual, limit }),
    }
}
