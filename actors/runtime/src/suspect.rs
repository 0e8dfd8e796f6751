//! A state that others do not have, and what is wrong with it: found by rebuilding it from the block log.

use catenary_crypto::Hash;
use catenary_ledger::{State, stores};
use catenary_state::{Batch, StoreName};
use catenary_types::Height;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Altered keys that are named; the rest are counted.
const NAMED_MAX: usize = 8;

/// All of a state that others do not have.
pub(crate) struct Suspect {
    height: Height,
    app_hash: Hash,
    content: BTreeMap<StoreName, Batch>,
}

/// What rebuilding a suspect state showed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// It had been altered.
    Altered(Alterations),
    /// It follows from the blocks: this node lives by other rules than the others.
    Same,
    /// The log ends at another height.
    NotCompared,
}

/// Where an altered state differs from the one that follows from the blocks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Alterations {
    height: Height,
    keys: Vec<(StoreName, Vec<u8>)>,
}

impl Suspect {
    /// Takes a copy of a state.
    pub(crate) fn of(state: &State) -> Self {
        Self { height: state.height(), app_hash: state.app_hash(), content: state.content() }
    }

    /// Compares it with the state that follows from the blocks.
    pub(crate) fn compare(&self, rebuilt: &State) -> Finding {
        if rebuilt.height() != self.height {
            return Finding::NotCompared;
        }
        if rebuilt.app_hash() == self.app_hash {
            return Finding::Same;
        }
        let sound = rebuilt.content();
        let mut keys = Vec::new();
        let none = Batch::new();
        for (store, _) in State::STORES {
            let [was, is] = [&self.content, &sound].map(|content| content.get(&store).unwrap_or(&none));
            let known: BTreeSet<_> = was.keys().chain(is.keys()).collect();
            let altered = known.into_iter().filter(|key| was.get(*key) != is.get(*key));
            keys.extend(altered.map(|key| (store, key.clone())));
        }
        if keys.is_empty() {
            // The one store that is no tree.
            keys.push((stores::REPLAY, Vec::new()));
        }
        Finding::Altered(Alterations { height: self.height, keys })
    }
}

impl fmt::Display for Alterations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the state after height {} had been altered:", self.height)?;
        for (number, (store, key)) in self.keys.iter().take(NAMED_MAX).enumerate() {
            let separator = if number == 0 { "" } else { "," };
            write!(f, "{separator} store {store} key {}", hex::encode(key))?;
        }
        match self.keys.len().saturating_sub(NAMED_MAX) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
