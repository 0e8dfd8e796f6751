//! What this node brings to every chain that it runs.

use super::{config::NodeFile, routing};
use crate::{keys, network};
use anyhow::Result;
use catenary_runtime::{ChainDefinition, Reporter};
use catenary_types::Genesis;
use std::sync::Arc;

/// Its keys.
pub struct Definitions {
    validator_seed: Option<keys::Seed>,
    reporter: Option<Reporter>,
}

impl Definitions {
    /// Reads the key files.
    pub fn read(file: &NodeFile) -> Result<Self> {
        let validator_seed = file.node.validator_key.as_deref().map(keys::read).transpose()?;
        let reporter = match &file.router {
            Some(section) => {
                let key = Arc::new(keys::signing_key(&section.key)?);
                Some(Reporter { account: routing::account(section)?, key })
            }
            None => None,
        };
        Ok(Self { validator_seed, reporter })
    }

    /// A chain with this genesis; `is_new` says whether this node cannot have signed anything on it.
    pub fn of(&self, genesis: Genesis, is_new: bool) -> Result<ChainDefinition> {
        Ok(ChainDefinition {
            chain_id: genesis.chain_id()?,
            genesis,
            ledger: network::ledger(),
            validator_seed: self.validator_seed,
            reporter: self.reporter.clone(),
            is_new,
        })
    }
}
