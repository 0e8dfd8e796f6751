//! The replay window: which transactions were entered lately.
//!
//! An id is kept under the minute of its `valid_until`, in block order, until that minute is past; then no block could
//! take the transaction again anyway. The `replay` store's root commits to one digest per minute:
//! `d₀` = 32 zero bytes, `d := SHA256(d ‖ sender ‖ request_id)`; leaf = `BE64(minute) ‖ d`; simple Merkle by minute.

use catenary_crypto::{Hash, merkle_root, sha256_parts};
use catenary_types::{AccountId, RequestId, Timestamp, UnixSeconds};
use std::collections::{BTreeMap, BTreeSet};

/// Whose id, and which.
pub type ReplayId = (AccountId, RequestId);

/// The ids of every minute that is not past.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayWindow {
    minutes: BTreeMap<u64, Minute>,
    ids: BTreeSet<ReplayId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Minute {
    digest: Hash,
    ids: Vec<ReplayId>,
}

/// What one block does to the window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayChange {
    /// Minutes before this one are dropped.
    pub drop_below: u64,
    /// Ids to enter, in block order, each with the minute of its `valid_until`.
    pub entered: Vec<(u64, ReplayId)>,
}

/// The minute under which a deadline is kept.
pub(crate) fn minute(valid_until: UnixSeconds) -> u64 {
    valid_until.0 / 60
}

impl ReplayChange {
    /// The change of a non-empty block of this time.
    pub fn at(time: Timestamp) -> Self {
        Self { drop_below: minute(time.seconds()), entered: Vec::new() }
    }
}

impl ReplayWindow {
    /// Whether the id counts as used once minutes before `drop_below` are gone.
    pub fn contains(&self, id: &ReplayId, drop_below: u64) -> bool {
        // An id in a minute about to be dropped is free again; such minutes are few and only looked at on a hit.
        self.ids.contains(id) && !self.minutes.range(..drop_below).any(|(_, minute)| minute.ids.contains(id))
    }

    /// Applies a block.
    pub fn apply(&mut self, change: &ReplayChange) {
        let kept = self.minutes.split_off(&change.drop_below);
        for minute in std::mem::replace(&mut self.minutes, kept).into_values() {
            minute.ids.iter().for_each(|id| {
                self.ids.remove(id);
            });
        }
        for (minute, id) in &change.entered {
            let entry = Minute { digest: Hash::default(), ids: Vec::new() };
            let entry = self.minutes.entry(*minute).or_insert(entry);
            entry.digest = sha256_parts(&[&entry.digest.0, &id.0.0, &id.1.0]);
            entry.ids.push(*id);
            let new = self.ids.insert(*id);
            assert!(new, "a valid block enters an id once");
        }
    }

    /// The root of the `replay` store.
    pub fn root(&self) -> Hash {
        let leaf = |(minute, entry): (&u64, &Minute)| [&minute.to_be_bytes()[..], &entry.digest.0].concat();
        let leaves: Vec<_> = self.minutes.iter().map(leaf).collect();
        merkle_root(&leaves)
    }

    /// Every id with its minute: by minute, then in block order. What a checkpoint keeps.
    pub fn entries(&self) -> impl Iterator<Item = (u64, ReplayId)> + '_ {
        self.minutes.iter().flat_map(|(minute, entry)| entry.ids.iter().map(|id| (*minute, *id)))
    }

    /// How many ids are kept.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether no id is kept.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> ReplayId {
        (AccountId([byte; 20]), RequestId([byte; 16]))
    }

    #[test]
    fn root_is_pinned() {
        let mut window = ReplayWindow::default();
        assert_eq!(window.root(), catenary_crypto::empty_root());
        window.apply(&ReplayChange { drop_below: 0, entered: vec![(7, id(1)), (7, id(2)), (9, id(3))] });
        assert_eq!(window.root().to_string(), include_str!("../tests/fixtures/replay_root.hex").trim());
    }

    #[test]
    fn an_id_is_free_again_when_its_minute_is_dropped() {
        let mut window = ReplayWindow::default();
        window.apply(&ReplayChange { drop_below: 0, entered: vec![(7, id(1)), (8, id(2))] });
        assert!(window.contains(&id(1), 7));
        assert!(!window.contains(&id(1), 8));
        window.apply(&ReplayChange { drop_below: 8, entered: vec![(9, id(1))] });
        assert_eq!(window.entries().collect::<Vec<_>>(), vec![(8, id(2)), (9, id(1))]);
    }
}
