//! Damaged files of a chain that the rest of its group can replace.
//!
//! A block log that is damaged is set aside, never deleted: its folder goes on as `blocks.damaged-1` and so on, and a new
//! log begins with the blocks before the damage. The others have the rest. A group of one has no others: there the chain
//! stays down and its log is left as it is.

use crate::recovery::OpenChainError;
use catenary_journal::block_log::{Identity, Report};
use catenary_store::{
    ChainDir,
    block_log::{BlockLog, BlockLogWriter, Refused},
};
use catenary_types::{ChainId, Genesis, Message};

/// Writes the genesis document, again if what is stored is not this chain's: the chain's id holds its hash, so then the
/// file is damaged. Says so.
pub(crate) fn store_genesis(
    dir: &ChainDir,
    chain_id: &ChainId,
    genesis: &Genesis,
) -> Result<Option<String>, OpenChainError> {
    let is_this_chains = |bytes: &Vec<u8>| {
        Genesis::decode(bytes).is_ok_and(|stored| stored.chain_id().is_ok_and(|stored| stored == *chain_id))
    };
    let damaged = dir.genesis()?.is_some_and(|stored| !is_this_chains(&stored));
    if damaged {
        dir.forget_genesis()?;
    }
    dir.store_genesis(&genesis.encode())?;
    Ok(damaged.then(|| format!("{chain_id}: the stored genesis was damaged; it is written again")))
}

/// Begins a log anew with the blocks before the damage of the present one, which is set aside. Gives its name.
pub(crate) fn begin_anew(
    logs: &BlockLogWriter,
    dir: &ChainDir,
    identity: &Identity,
    (damaged, report): (BlockLog, &Report),
) -> Result<String, OpenChainError> {
    let (copy, _) = logs.open(&dir.blocks_anew()?, identity.clone())?;
    let first_lost = report.damage.iter().map(|damage| damage.first).min().unwrap_or(u64::MAX);
    for height in identity.first_height()..first_lost {
        let Ok(Some(entry)) = damaged.read(height) else { break };
        let appended = copy.append(height, entry.block, entry.certificate);
        appended.map_err(|Refused { reason, .. }| OpenChainError::Repair(reason.to_string()))?;
    }
    logs.flush();
    if let Some(error) = copy.failure() {
        return Err(OpenChainError::Repair(error.to_string()));
    }
    drop((copy, damaged));
    Ok(dir.replace_blocks()?)
}
