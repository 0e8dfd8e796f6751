//! What mends and copies: rebuilding an index, going back to a height, exporting and importing blocks.

use super::{ChainArgs, ChainsArgs, folder::Folder};
use crate::network;
use anyhow::{Context as _, Result, ensure};
use catenary_runtime::offline;
use catenary_store::{
    block_log::{self, BlockLogWriter},
    index::{Engine, Index, IndexError},
};
use catenary_types::{Height, Message};
use std::path::Path;

/// Drops and rebuilds what the index holds of chains; the whole index if no chain is named, also one that does not open.
pub fn rebuild_index(arguments: &ChainsArgs) -> Result<()> {
    let folder = Folder::open(&arguments.data.data, &arguments.genesis)?;
    let chains = folder.chains(&arguments.chain)?;
    let path = folder.data.index();
    if arguments.chain.is_empty() {
        Index::delete(&path)?;
    }
    let index = match Index::open(&path, Engine::default()) {
        Err(error @ IndexError::Damaged { .. }) => {
            return Err(error).context("the whole index must be rebuilt: leave --chain out");
        }
        opened => opened?,
    };
    for chain in chains {
        let dir = folder.chain(&chain)?;
        let genesis = folder.genesis(&chain, &dir)?;
        let height = offline::rebuild_index(&genesis, &network::ledger(), &dir, &index)
            .with_context(|| format!("rebuilding the index of {chain}"))?;
        println!("{chain}: the index is rebuilt from {height} blocks");
    }
    Ok(())
}

/// Cuts a chain back to a height.
pub fn roll_back(arguments: &ChainArgs, to: u64) -> Result<()> {
    let ChainArgs { data, chain, genesis } = arguments;
    let folder = Folder::open(&data.data, genesis.as_slice())?;
    let dir = folder.chain(chain)?;
    let genesis = folder.genesis(chain, &dir)?;
    let logs = BlockLogWriter::start(block_log::Config::default(), |_| ())?;
    let aside = offline::roll_back(&genesis, &dir, &logs, Height(to))
        .with_context(|| format!("cutting {chain} back to {to}"))?;
    let (index, _) = Index::open_or_recreate(&folder.data.index(), Engine::default())?;
    offline::rebuild_index(&genesis, &network::ledger(), &dir, &index)
        .with_context(|| format!("rebuilding the index of {chain}"))?;
    println!("{chain} ends with block {to}; what was there is kept as chains/{chain}/{aside}");
    if genesis.validators.len() == 1 {
        eprintln!(
            "this chain began with one validator: if it still has no other, the node does not start before the blocks above {to} \
             are imported, since nobody else has them"
        );
    }
    Ok(())
}

/// Copies blocks into a file.
pub fn export(arguments: &ChainArgs, from: u64, to: Option<u64>, out: &Path) -> Result<()> {
    let ChainArgs { data, chain, genesis } = arguments;
    let folder = Folder::open(&data.data, genesis.as_slice())?;
    ensure!(!out.exists(), "{} exists already: name a new file", out.display());
    let dir = folder.chain(chain)?;
    let genesis = folder.genesis(chain, &dir)?;
    let (first, last, count) = offline::export(&genesis, &dir, from..=to.unwrap_or(u64::MAX), out)
        .with_context(|| format!("exporting {chain}"))?;
    println!("{chain}: {count} blocks, {first} to {last}, in {}", out.display());
    Ok(())
}

/// Appends the blocks of a copy to a chain's folder.
pub fn import(arguments: &ChainArgs, file: &Path) -> Result<()> {
    let ChainArgs { data, chain, genesis } = arguments;
    let folder = Folder::open_or_create(&data.data, genesis.as_slice())?;
    let genesis = folder.genesis_of_any(chain)?;
    let dir = folder.data.chain(chain.as_str())?;
    dir.store_genesis(&genesis.encode())?;
    let logs = BlockLogWriter::start(block_log::Config::default(), |_| ())?;
    let (index, _) = Index::open_or_recreate(&folder.data.index(), Engine::default())?;
    let imported = offline::import(&genesis, &network::ledger(), &dir, (&index, &logs), file)
        .with_context(|| format!("importing {} into {chain}", file.display()))?;
    let offline::Imported { known, added, newest } = imported;
    println!("{chain}: {added} blocks imported, {known} were there already; the newest is {newest}");
    Ok(())
}
