//! Chains that come to a running node, and chains that go.

use crate::{
    Node, OpenNodeError,
    node::{key_name, note_unless_known, take_key},
};
use catenary_consensus::Mark;
use catenary_runtime::{ChainDefinition, ChainJournal, chain_tag};
use catenary_store::{FileError, OpenDirError, index::IndexError};
use catenary_types::{ChainId, Height};
use std::{io, time::Duration};
use tokio::time::sleep;

/// How often it is looked whether somebody still reads a chain that goes.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// What a node keeps of a chain cannot be deleted.
#[derive(Debug, thiserror::Error)]
pub enum RemoveChainError {
    /// The folder cannot be used.
    #[error(transparent)]
    Dir(#[from] OpenDirError),
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The index cannot be used.
    #[error("index: {0}")]
    Index(#[from] IndexError),
    /// The node stops.
    #[error("the node stops")]
    Stopping,
}

impl Node {
    /// Takes charge of a further chain and starts it. Returns what the operator should know; one that does not start is in
    /// [`Self::down`]. If it is not new, and the guard knows nothing of it, the node has lost what it signed on it.
    ///
    /// From `keep` on the chain must be among those with which the node is opened: what its journal holds of others is not read.
    pub async fn add(
        &self,
        definition: ChainDefinition,
        keep: impl FnOnce() -> Result<(), FileError>,
    ) -> Result<Vec<String>, OpenNodeError> {
        let chain_id = definition.chain_id.clone();
        take_key(&self.keys, &definition)?;
        let mark = if definition.is_new { Mark::nothing() } else { Mark::forgotten(Height(0)) };
        let (guard, named) = (self.parts.guard.clone(), chain_id.clone());
        let noted = self.parts.platform.read(move || note_unless_known(&guard, [&named], mark)).await;
        noted.ok_or_else(|| io::Error::other("noting the chain panicked"))??;
        keep()?;
        let journal =
            ChainJournal::new(self.parts.journal.clone(), self.parts.guard.clone(), &chain_id, Vec::new());
        self.hosted.insert(&definition, journal.clone());
        let supervisor = self.supervisor();
        // Neither fails unless the node stops.
        let _ = supervisor.add(definition, journal).await;
        Ok(supervisor.start(&chain_id).await.unwrap_or_default())
    }

    /// Stops a chain for good and deletes all that the node keeps of it but the guard's mark, which stays for ever.
    pub async fn remove(&self, chain_id: &ChainId) -> Result<(), RemoveChainError> {
        let removed = self.supervisor().remove(chain_id, "it was removed").await;
        let definition = removed.map_err(|_| RemoveChainError::Stopping)?;
        let (parts, tag) = (self.parts.clone(), chain_tag(chain_id));
        // Who opens it or reads it is done in a moment, and nobody begins to.
        while definition.strong_count() > 0 || self.parts.index.is_used(tag) {
            sleep(LOOK_INTERVAL).await;
        }
        let named = chain_id.clone();
        let deleted = self.parts.platform.read(move || {
            parts.logs.flush();
            parts.index.delete_space(tag)?;
            Ok(parts.data.delete_chain(named.as_str())?)
        });
        deleted.await.unwrap_or(Err(RemoveChainError::Stopping))?;
        let Some(hosted) = self.hosted.remove(tag) else { return Ok(()) };
        hosted.journal.discard();
        match hosted.validator {
            Some(validator) => Ok(self.keys.release(&key_name(chain_id, validator))?),
            None => Ok(()),
        }
    }

    /// Whether this node remembers all that it signed on a chain.
    pub fn remembers(&self, chain_id: &ChainId) -> bool {
        let mark = self.parts.guard.newest(chain_tag(chain_id));
        mark.and_then(|bytes| Mark::decode(&bytes)).is_some_and(|mark| !mark.is_forgotten())
    }
}
