//! The chains that can be reached, by id and by name.

use crate::client::ChainClient;
use catenary_types::ChainId;
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

/// A text that names no chain here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownChain {
    /// Neither an id nor a name of a chain here.
    #[error("expected a chain id or name that ListChains gives, got {0:?}")]
    Absent(String),
    /// A name that several chains have, for example before and after a recovery.
    #[error("{name:?} is the name of {chains} chains, use a whole chain id")]
    Ambiguous {
        /// The name.
        name: String,
        /// How many.
        chains: usize,
    },
}

/// The chains that can be reached. Cheap to clone; all clones show the same chains.
#[derive(Clone, Default)]
pub struct Directory {
    chains: Arc<RwLock<BTreeMap<ChainId, Arc<dyn ChainClient>>>>,
}

impl Directory {
    /// A directory of these chains.
    pub fn new(chains: impl IntoIterator<Item = Arc<dyn ChainClient>>) -> Self {
        let directory = Self::default();
        chains.into_iter().for_each(|chain| directory.insert(chain));
        directory
    }

    /// Adds a chain, or replaces the client of one that is there.
    pub fn insert(&self, chain: Arc<dyn ChainClient>) {
        let mut chains = self.chains.write().unwrap_or_else(PoisonError::into_inner);
        chains.insert(chain.chain_id().clone(), chain);
    }

    /// Takes a chain out.
    pub fn remove(&self, id: &ChainId) {
        self.chains.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// The chain of an id.
    pub fn by_id(&self, id: &ChainId) -> Option<Arc<dyn ChainClient>> {
        self.chains.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// The chain of a whole id, or of a name that only one chain has.
    pub fn find(&self, text: &str) -> Result<Arc<dyn ChainClient>, UnknownChain> {
        if let Some(chain) = text.parse().ok().and_then(|id| self.by_id(&id)) {
            return Ok(chain);
        }
        let named: Vec<_> = self.all().into_iter().filter(|chain| chain.chain_id().name() == text).collect();
        match named.as_slice() {
            [chain] => Ok(chain.clone()),
            [] => Err(UnknownChain::Absent(text.chars().take(80).collect())),
            several => Err(UnknownChain::Ambiguous { name: text.into(), chains: several.len() }),
        }
    }

    /// All chains in order of their ids.
    pub fn all(&self) -> Vec<Arc<dyn ChainClient>> {
        self.chains.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}
