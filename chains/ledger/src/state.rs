//! The committed state of a chain: its stores and its replay window.

use crate::{
    execute::Executed,
    overlay::View,
    records::{AdminKey, ChainRecord, OrganisationRecord},
    replay::ReplayWindow,
    stores::{ADMIN, ASSET, CLIENTS, IBC, INDEX, REPLAY},
};
use catenary_crypto::Hash;
use catenary_state::{Batch, Changes, Multistore, StateError, StoreKind, StoreName};
use catenary_types::{ChainName, Height, Message, Organisation};
use std::collections::BTreeMap;

/// How many versions behind the latest stay readable and provable.
///
/// A proof of the state after H is asked for when header H+1 is final; the rest is room for slow readers.
pub const VERSIONS_KEPT: u64 = 64;

/// State after a block; versions are heights, see [`VERSIONS_KEPT`].
pub struct State {
    stores: Multistore,
    replay: ReplayWindow,
    height: Height,
    app_hash: Hash,
    /// What the `admin` store says of members, at hand: nodes ask for all of them at once.
    organisations: BTreeMap<Organisation, OrganisationRecord>,
    /// Likewise of chains that were created here.
    created_chains: BTreeMap<ChainName, ChainRecord>,
}

impl State {
    /// The stores of every chain and what stands under their roots.
    pub const STORES: [(StoreName, StoreKind); 6] = [
        (ADMIN, StoreKind::Jellyfish),
        (ASSET, StoreKind::Jellyfish),
        (CLIENTS, StoreKind::Jellyfish),
        (IBC, StoreKind::CritBit),
        (INDEX, StoreKind::Jellyfish),
        (REPLAY, StoreKind::External),
    ];

    /// The state that holds these writes and nothing else, at height 0.
    pub(crate) fn genesis(writes: BTreeMap<StoreName, Batch>) -> Self {
        Self::restore(Height(0), writes, ReplayWindow::default())
    }

    /// The state of a height from its whole content, as a checkpoint keeps it. Whoever calls this compares
    /// [`Self::app_hash`] with the header before trusting it.
    pub fn restore(height: Height, content: BTreeMap<StoreName, Batch>, replay: ReplayWindow) -> Self {
        Self::try_restore(height, content, replay).expect("apps write well-formed keys and values")
    }

    /// [`Self::restore`] of content that a stranger sent: an error names a key or value that no app writes.
    pub fn try_restore(
        height: Height,
        content: BTreeMap<StoreName, Batch>,
        replay: ReplayWindow,
    ) -> Result<Self, StateError> {
        let stores = Multistore::new(&Self::STORES).expect("the list of stores is well formed");
        let mut state = Self {
            stores,
            replay,
            height,
            app_hash: Hash::default(),
            organisations: BTreeMap::new(),
            created_chains: BTreeMap::new(),
        };
        state.try_commit(content)?;
        Ok(state)
    }

    /// [`Self::restore`] for a height whose block is empty and so changed nothing: the state of the height before is the same,
    /// and kept, since it is the newest one that a header names.
    pub fn restore_sealed(height: Height, content: BTreeMap<StoreName, Batch>, replay: ReplayWindow) -> Self {
        let before = height.previous().expect("the genesis is no block");
        let mut state = Self { height, ..Self::restore(before, content, replay) };
        state.commit(BTreeMap::new());
        state
    }

    /// Makes the outcome of the next block state and returns its root, which the header after the block carries.
    pub fn apply(&mut self, executed: &Executed) -> Hash {
        assert_eq!(executed.height, self.height.next(), "blocks are applied in order");
        if let Some(change) = &executed.replay {
            self.replay.apply(change);
        }
        self.height = executed.height;
        self.commit(executed.changes.clone());
        self.stores.prune(self.height.0.saturating_sub(VERSIONS_KEPT));
        self.app_hash
    }

    fn commit(&mut self, stores: BTreeMap<StoreName, Batch>) {
        self.try_commit(stores).expect("apps write well-formed keys and values");
    }

    fn try_commit(&mut self, stores: BTreeMap<StoreName, Batch>) -> Result<(), StateError> {
        for (key, value) in stores.get(&ADMIN).into_iter().flatten() {
            let Some(value) = value else { continue };
            // What does not decode has another root than the header says, and is not used.
            if AdminKey::is_organisation(key) {
                let record = OrganisationRecord::decode(value).ok();
                self.organisations.extend(record.map(|record| (record.name.clone(), record)));
            } else if AdminKey::is_chain(key) {
                let record = ChainRecord::decode(value).ok();
                self.created_chains.extend(record.map(|record| (record.chain_id.chain_name(), record)));
            }
        }
        let external_roots = BTreeMap::from([(REPLAY, self.replay.root())]);
        let changes = Changes { stores, external_roots };
        self.app_hash = self.stores.commit(self.height.0, &changes)?;
        Ok(())
    }

    /// The height after which this is the state.
    pub fn height(&self) -> Height {
        self.height
    }

    /// Root over all stores.
    pub fn app_hash(&self) -> Hash {
        self.app_hash
    }

    /// The stores, for reads and proofs at recent heights.
    pub fn stores(&self) -> &Multistore {
        &self.stores
    }

    /// Every key and value, for a checkpoint.
    pub fn content(&self) -> BTreeMap<StoreName, Batch> {
        let trees = Self::STORES.iter().filter(|(_, kind)| kind.tree().is_some());
        let batch = |name: StoreName| {
            let entries =
                self.stores.iter_store(self.height.0, name).expect("the latest version is always there");
            entries.map(|(key, value)| (key.to_vec(), Some(value.to_vec()))).collect()
        };
        trees.map(|(name, _)| (*name, batch(*name))).collect()
    }

    /// The members of the consortium.
    pub fn organisations(&self) -> &BTreeMap<Organisation, OrganisationRecord> {
        &self.organisations
    }

    /// The newest chain of each name that was created here.
    pub fn created_chains(&self) -> &BTreeMap<ChainName, ChainRecord> {
        &self.created_chains
    }

    /// Ids of recent transactions.
    pub fn replay(&self) -> &ReplayWindow {
        &self.replay
    }
}

impl View for State {
    fn get(&self, store: StoreName, key: &[u8]) -> Option<Vec<u8>> {
        let value = self.stores.get(store, key).expect("apps name stores of the chain");
        value.map(<[u8]>::to_vec)
    }
}
