//! What the chunks hold: every entry of the state by store and key, then the ids of the replay window in block order.

use super::{Manifest, SnapshotError};
use catenary_ledger::{ReplayChange, ReplayWindow, State};
use catenary_state::{Batch, StoreName};
use catenary_types::{AccountId, Message, RequestId};
use std::collections::{BTreeMap, BTreeSet};

catenary_types::message! {
    /// A part of a snapshot's content.
    pub struct Chunk {
        /// Entries of the state, ascending by store and key over all chunks.
        1 => entries: Vec<StateEntry>,
        /// Ids of the replay window by minute, then in block order; none stands before an entry.
        2 => ids: Vec<ReplayEntry>,
    }

    /// An entry of the state.
    pub struct StateEntry {
        /// Name of its store.
        1 => store: String,
        /// Its key.
        2 => key: Vec<u8>,
        /// Its value.
        3 => value: Vec<u8>,
    }

    /// An id of the replay window.
    pub struct ReplayEntry {
        /// The minute under which it is kept.
        1 => minute: u64,
        /// Whose it is.
        2 => sender: AccountId,
        /// The id.
        3 => request_id: RequestId,
    }
}

/// Takes in chunks one by one; what is out of order, twice or of no store is refused.
#[derive(Default)]
pub(super) struct Content {
    stores: BTreeMap<StoreName, Batch>,
    last: Option<(StoreName, Vec<u8>)>,
    ids: ReplayChange,
    known: BTreeSet<(AccountId, RequestId)>,
}

impl Content {
    /// Reads all chunks that a manifest lists.
    pub(super) fn read(manifest: &Manifest, chunks: &[Vec<u8>]) -> Result<Self, SnapshotError> {
        let (expected, actual) = (manifest.chunks.len(), chunks.len());
        if expected != actual {
            let reason = format!("expected {expected} chunks, got {actual}");
            return Err(SnapshotError::Malformed { part: "content".into(), reason });
        }
        let mut content = Self::default();
        for (index, bytes) in chunks.iter().enumerate() {
            manifest.check_chunk(index, bytes)?;
            let malformed = |reason| SnapshotError::Malformed { part: format!("chunk {index}"), reason };
            let chunk = Chunk::decode(bytes).map_err(|error| malformed(error.to_string()))?;
            content.add(chunk).map_err(malformed)?;
        }
        Ok(content)
    }

    /// State entries by store, and the replay window.
    pub(super) fn into_parts(self) -> (BTreeMap<StoreName, Batch>, ReplayWindow) {
        let mut window = ReplayWindow::default();
        window.apply(&self.ids);
        (self.stores, window)
    }

    fn add(&mut self, chunk: Chunk) -> Result<(), String> {
        for StateEntry { store, key, value } in chunk.entries {
            let named =
                State::STORES.iter().find(|(name, kind)| name.as_str() == store && kind.tree().is_some());
            let (store, _) = *named.ok_or_else(|| format!("no store {store:?} with entries"))?;
            let place = (store, key.clone());
            if !self.known.is_empty() || self.last.as_ref().is_some_and(|last| *last >= place) {
                return Err(format!("an entry of store {store} is out of order"));
            }
            self.last = Some(place);
            self.stores.entry(store).or_default().insert(key, Some(value));
        }
        for ReplayEntry { minute, sender, request_id } in chunk.ids {
            let in_order = self.ids.entered.last().is_none_or(|(last, _)| *last <= minute);
            if !in_order || !self.known.insert((sender, request_id)) {
                return Err("a replay id is out of order, or stands twice".into());
            }
            self.ids.entered.push((minute, (sender, request_id)));
        }
        Ok(())
    }
}
