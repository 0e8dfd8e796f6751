//! Chains that the node's registry creates and removes while it runs.
//!
//! The registry is a chain like any other; its `admin` store records the chains that its committee created. What runs here
//! because of a record is kept in the data folder, so that it runs again after a restart.
//!
//! A validator may vote on such a chain from its first height on only if it cannot have signed there before and forgotten it:
//! if the chain was created after the height since which this node remembers all that it signed.

use super::definitions::Definitions;
use anyhow::{Context as _, Result};
use catenary_ledger::records::ChainRecord;
use catenary_links::{ChainClient, Directory};
use catenary_runtime::ChainMailbox;
use catenary_store::RegistryDir;
use catenary_system::Node;
use catenary_types::{ChainId, ChainName, Genesis, Height, Message, Organisation};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::sleep;

/// Pause before a registry that does not answer, or a record that could not be taken up, is looked at again.
const RETRY: Duration = Duration::from_secs(1);

/// The registry of a node, and what runs because of it.
pub struct Registry<'a> {
    node: &'a Node,
    chain: ChainMailbox,
    dir: RegistryDir,
    definitions: Definitions,
    directory: Directory,
    organisation: Organisation,
    running: BTreeMap<ChainId, ChainRecord>,
}

/// The records of what runs here because of the registry.
pub fn records(dir: &RegistryDir) -> Result<Vec<ChainRecord>> {
    let records = dir.records()?.into_iter();
    records.map(|bytes| ChainRecord::decode(&bytes).context("reading what the registry created")).collect()
}

impl<'a> Registry<'a> {
    /// The registry of a node by its name or id.
    pub fn new(
        name: &str,
        node: &'a Node,
        dir: RegistryDir,
        definitions: Definitions,
        directory: Directory,
        organisation: Organisation,
    ) -> Result<Self> {
        let id = directory.find(name).context("node.registry")?.chain_id().clone();
        let chain = node.chains().into_iter().find(|chain| *chain.chain_id() == id);
        let chain = chain.context("node.registry names a chain of this node")?;
        let running = records(&dir)?.into_iter().map(|record| (record.chain_id.clone(), record)).collect();
        Ok(Self { node, chain, dir, definitions, directory, organisation, running })
    }

    /// Does what the records say, as they change. Never ends.
    pub async fn follow(mut self) {
        loop {
            let records = self.chain.read(|state| (state.height(), state.created_chains().clone())).await;
            let done = match records {
                Ok((height, records)) => match self.take_up(height, &records).await {
                    Ok(()) => self.chain.final_block(height.next()).await.is_ok(),
                    Err(error) => {
                        tracing::error!("a record of the registry was not taken up: {error:#}");
                        false
                    }
                },
                Err(_) => false,
            };
            if !done {
                sleep(RETRY).await;
            }
        }
    }

    async fn take_up(&mut self, height: Height, records: &BTreeMap<ChainName, ChainRecord>) -> Result<()> {
        let since = self.since(height)?;
        for chain_id in self.running.keys().cloned().collect::<Vec<_>>() {
            if self.is_over(&chain_id, records) {
                self.remove(&chain_id).await.with_context(|| format!("removing {chain_id}"))?;
            }
        }
        for record in records.values().filter(|record| !record.is_removed()) {
            if !self.running.contains_key(&record.chain_id) {
                let is_new = since.is_some_and(|since| record.created > since);
                self.create(record, is_new).await.with_context(|| format!("creating {}", record.chain_id))?;
            }
        }
        Ok(())
    }

    /// Since which height this node remembers what it signed. After a loss that is where its memory was first seen whole
    /// again.
    fn since(&self, height: Height) -> Result<Option<Height>> {
        if let Some(since) = self.dir.since()? {
            return Ok(Some(Height(since)));
        }
        if !self.node.remembers(self.chain.chain_id()) {
            return Ok(None);
        }
        self.dir.set_since(height.0)?;
        Ok(Some(height))
    }

    /// Whether a chain that runs here was removed. A registry that is behind, and does not know it yet, says nothing.
    fn is_over(&self, chain_id: &ChainId, records: &BTreeMap<ChainName, ChainRecord>) -> bool {
        let (own, newest) = (self.running.get(chain_id), records.get(&chain_id.chain_name()));
        let (Some(own), Some(newest)) = (own, newest) else { return false };
        if newest.chain_id == *chain_id { newest.is_removed() } else { newest.created > own.created }
    }

    async fn create(&mut self, record: &ChainRecord, is_new: bool) -> Result<()> {
        let genesis = Genesis::decode(&record.genesis)?;
        if !genesis.organisations.contains(&self.organisation) {
            return Ok(());
        }
        let chain_id = &record.chain_id;
        let keep = || self.dir.insert(chain_id.as_str(), &record.encode());
        let notices = self.node.add(self.definitions.of(genesis, is_new)?, keep).await?;
        notices.iter().for_each(|notice| eprintln!("{notice}"));
        let chain = self.node.chains().into_iter().find(|chain| chain.chain_id() == chain_id);
        chain.into_iter().for_each(|chain| self.directory.insert(Arc::new(chain) as Arc<dyn ChainClient>));
        self.running.insert(chain_id.clone(), record.clone());
        eprintln!("{chain_id} was created");
        Ok(())
    }

    async fn remove(&mut self, chain_id: &ChainId) -> Result<()> {
        self.directory.remove(chain_id);
        self.node.remove(chain_id).await?;
        self.dir.remove(chain_id.as_str())?;
        self.running.remove(chain_id);
        eprintln!("{chain_id} was removed");
        Ok(())
    }
}
