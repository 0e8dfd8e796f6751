//! Writes that are not yet state: a sorted map over a read-only view, with savepoints.

use catenary_state::{Batch, StoreName};
use std::collections::{BTreeMap, BTreeSet};

/// Read access to the committed state of one version.
pub trait View {
    /// The value under a key.
    fn get(&self, store: StoreName, key: &[u8]) -> Option<Vec<u8>>;
}

/// What was read, written and added to, if recording is on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Keys that were looked at.
    pub read: BTreeSet<(StoreName, Vec<u8>)>,
    /// Keys that were set or deleted.
    pub written: BTreeSet<(StoreName, Vec<u8>)>,
}

/// Uncommitted writes over a view.
///
/// Every write remembers what it replaced, so that rolling back to a savepoint costs only what was written since.
pub struct Overlay<'v> {
    view: &'v dyn View,
    writes: BTreeMap<StoreName, Batch>,
    undo: Vec<Undo>,
    touched: Option<std::cell::RefCell<Touched>>,
}

/// What stood in the overlay before a write: `None` means that the key was untouched.
struct Undo {
    store: StoreName,
    key: Vec<u8>,
    before: Option<Option<Vec<u8>>>,
}

/// A point to roll back to.
#[derive(Clone, Copy, Debug)]
pub struct Savepoint(usize);

impl<'v> Overlay<'v> {
    /// No writes yet.
    pub fn new(view: &'v dyn View) -> Self {
        Self { view, writes: BTreeMap::new(), undo: Vec::new(), touched: None }
    }

    /// As [`Self::new`], and records every key that is touched.
    pub fn recording(view: &'v dyn View) -> Self {
        Self { touched: Some(Default::default()), ..Self::new(view) }
    }

    /// The keys touched since the overlay was made; empty without recording.
    pub fn touched(&self) -> Touched {
        self.touched.as_ref().map(|touched| touched.borrow().clone()).unwrap_or_default()
    }

    /// The value as the writes so far leave it.
    pub fn get(&self, store: StoreName, key: &[u8]) -> Option<Vec<u8>> {
        if let Some(touched) = &self.touched {
            touched.borrow_mut().read.insert((store, key.to_vec()));
        }
        match self.writes.get(&store).and_then(|changes| changes.get(key)) {
            Some(value) => value.clone(),
            None => self.view.get(store, key),
        }
    }

    /// Sets or, with `None`, deletes.
    pub fn set(&mut self, store: StoreName, key: Vec<u8>, value: Option<Vec<u8>>) {
        assert!(!key.is_empty(), "keys are never empty: no proof could show them");
        assert!(value.as_ref().is_none_or(|value| !value.is_empty()), "values are never empty");
        if let Some(touched) = &self.touched {
            touched.borrow_mut().written.insert((store, key.clone()));
        }
        let before = self.writes.entry(store).or_default().insert(key.clone(), value);
        self.undo.push(Undo { store, key, before });
    }

    /// A point to come back to.
    pub fn savepoint(&self) -> Savepoint {
        Savepoint(self.undo.len())
    }

    /// Undoes every write since `savepoint`.
    pub fn rollback(&mut self, savepoint: Savepoint) {
        while self.undo.len() > savepoint.0 {
            let Some(Undo { store, key, before }) = self.undo.pop() else { break };
            let changes = self.writes.entry(store).or_default();
            match before {
                Some(value) => changes.insert(key, value),
                None => changes.remove(&key),
            };
        }
    }

    /// What to commit: sorted by store and key, without writes that change nothing.
    pub fn into_changes(self) -> BTreeMap<StoreName, Batch> {
        let mut writes = self.writes;
        for (store, changes) in &mut writes {
            changes.retain(|key, value| self.view.get(*store, key) != *value);
        }
        writes.retain(|_, changes| !changes.is_empty());
        writes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STORE: StoreName = StoreName::new("asset");

    struct Base(BTreeMap<Vec<u8>, Vec<u8>>);

    impl View for Base {
        fn get(&self, _: StoreName, key: &[u8]) -> Option<Vec<u8>> {
            self.0.get(key).cloned()
        }
    }

    fn writes() -> impl Strategy<Value = Vec<(u8, Option<u8>)>> {
        proptest::collection::vec((0u8..8, proptest::option::of(1u8..4)), 0..30)
    }

    proptest! {
        #[test]
        fn rollback_leaves_what_was_there_at_the_savepoint(before in writes(), after in writes()) {
            let base = Base([(vec![1], vec![1]), (vec![2], vec![2])].into());
            let apply = |overlay: &mut Overlay<'_>, writes: &[(u8, Option<u8>)]| {
                for (key, value) in writes {
                    overlay.set(STORE, vec![*key], value.map(|value| vec![value]));
                }
            };
            let mut kept = Overlay::new(&base);
            apply(&mut kept, &before);
            let mut rolled = Overlay::new(&base);
            apply(&mut rolled, &before);
            let savepoint = rolled.savepoint();
            apply(&mut rolled, &after);
            rolled.rollback(savepoint);
            prop_assert_eq!(kept.into_changes(), rolled.into_changes());
        }
    }
}
