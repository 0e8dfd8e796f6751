//! The chains of a node, which come and go while it runs.

use super::mailbox::{ChainMailbox, Slot};
use catenary_types::ChainId;
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

/// The slots of a node's chains, shared by its actors.
#[derive(Default)]
pub(crate) struct Slots(RwLock<Present>);

#[derive(Default)]
struct Present {
    /// How many there have been.
    added: usize,
    /// Each with how many were added before it.
    slots: BTreeMap<ChainId, (usize, Arc<Slot>)>,
}

impl Slots {
    /// Adds a chain and says how many were added before it.
    pub(crate) fn insert(&self, chain_id: ChainId, slot: Arc<Slot>) -> usize {
        let mut present = self.write();
        let before = present.added;
        present.added += 1;
        present.slots.insert(chain_id, (before, slot));
        before
    }

    pub(crate) fn remove(&self, chain_id: &ChainId) {
        self.write().slots.remove(chain_id);
    }

    pub(crate) fn get(&self, chain_id: &ChainId) -> Option<Arc<Slot>> {
        self.read().slots.get(chain_id).map(|(_, slot)| slot.clone())
    }

    /// The chains in the order they were added.
    pub(crate) fn mailboxes(&self) -> Vec<ChainMailbox> {
        let present = self.read();
        let mut slots: Vec<_> = present.slots.iter().collect();
        slots.sort_by_key(|(_, (before, _))| *before);
        slots.into_iter().map(|(id, (_, slot))| ChainMailbox::new(id.clone(), slot.clone())).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, Present> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Present> {
        // Every change under the lock leaves both fields whole.
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
