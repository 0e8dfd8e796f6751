//! A data folder, locked, and the genesis documents of its chains.

use crate::node::read_genesis;
use anyhow::{Context as _, Result, bail, ensure};
use catenary_store::{ChainDir, DataDir};
use catenary_types::{ChainId, Genesis, Message};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// A data folder that no node runs on.
pub struct Folder {
    /// Held until this is dropped.
    pub data: DataDir,
    /// Documents that are trusted instead of those in the folder.
    given: BTreeMap<ChainId, Genesis>,
}

impl Folder {
    /// Locks a folder that a node has used.
    pub fn open(data: &Path, genesis: &[PathBuf]) -> Result<Self> {
        Ok(Self { data: DataDir::open_existing(data)?, given: documents(genesis)? })
    }

    /// Locks a folder, made if need be.
    pub fn open_or_create(data: &Path, genesis: &[PathBuf]) -> Result<Self> {
        Ok(Self { data: DataDir::open(data)?, given: documents(genesis)? })
    }

    /// The chains that were asked for; all of them if none was.
    pub fn chains(&self, asked: &[ChainId]) -> Result<Vec<ChainId>> {
        let parse =
            |id: String| id.parse().with_context(|| format!("the folder chains/{id} bears no chain's id"));
        let all = self.data.chain_ids()?.into_iter().map(parse).collect::<Result<Vec<ChainId>>>()?;
        if let Some(missing) = asked.iter().find(|chain| !all.contains(chain)) {
            let known: Vec<_> = all.iter().map(ToString::to_string).collect();
            bail!("the folder holds no chain {missing}; it holds {}", known.join(", "));
        }
        Ok(if asked.is_empty() { all } else { asked.to_vec() })
    }

    /// The part of the folder that belongs to a chain that it holds.
    pub fn chain(&self, chain: &ChainId) -> Result<ChainDir> {
        self.chains(std::slice::from_ref(chain))?;
        Ok(self.data.chain(chain.as_str())?)
    }

    /// The genesis document of a chain that the folder may not hold yet.
    pub fn genesis_of_any(&self, chain: &ChainId) -> Result<Genesis> {
        if let Some(given) = self.given.get(chain) {
            return Ok(given.clone());
        }
        if let Some(other) = self.given.keys().next() {
            bail!("--genesis names the document of {other}, not of {chain}");
        }
        let new = "for a chain that the folder does not hold, name its document with --genesis";
        self.genesis(chain, &self.chain(chain).context(new)?)
    }

    /// A chain's genesis document: the one that was given, or the one in the folder if it is the chain's.
    pub fn genesis(&self, chain: &ChainId, dir: &ChainDir) -> Result<Genesis> {
        if let Some(given) = self.given.get(chain) {
            return Ok(given.clone());
        }
        let missing = || format!("the folder has no genesis of {chain}: name one with --genesis");
        let bytes = dir.genesis()?.with_context(missing)?;
        let damaged = || format!("the stored genesis of {chain} is damaged: name one with --genesis");
        let genesis = Genesis::decode(&bytes).with_context(damaged)?;
        ensure!(genesis.chain_id().is_ok_and(|id| id == *chain), damaged());
        Ok(genesis)
    }
}

fn documents(paths: &[PathBuf]) -> Result<BTreeMap<ChainId, Genesis>> {
    let read = |path: &PathBuf| {
        let genesis = read_genesis(path)?;
        Ok((genesis.chain_id().with_context(|| format!("{} starts no chain", path.display()))?, genesis))
    };
    paths.iter().map(read).collect()
}
