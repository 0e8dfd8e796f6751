//! Damaged files of a chain that the rest of its group can replace.
//!
//! A block log that is damaged is set aside, never deleted: its folder goes on as `blocks.damaged-1` and so on, and a new
//! log begins with the blocks before the damage. The others have the rest. A group of one has no others: there the chain
//! stays down and its log is left as it is.

use crate::recovery::OpenChainError;
use catenary_journal::block_log::Identity;
use catenary_store::{
    ChainDir, SetAside,
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

/// Begins a log anew with the blocks of the present one below a height, or up to the first that does not read. The present
/// one is set aside. Gives its name.
pub(crate) fn begin_anew(
    logs: &BlockLogWriter,
    dir: &ChainDir,
    identity: &Identity,
    (present, end): (BlockLog, u64),
    because: SetAside,
) -> Result<String, OpenChainError> {
    let (copy, _) = logs.open(&dir.blocks_anew()?, identity.clone())?;
    for height in identity.first_height()..end {
        let Ok(Some(entry)) = present.read(height) else { break };
        let appended = copy.append(height, entry.block, entry.certificate);
        appended.map_err(|Refused { reason, .. }| OpenChainError::Repair(reason.to_string()))?;
    }
    logs.flush();
    if let Some(error) = copy.failure() {
        return Err(OpenChainError::Repair(error.to_string()));
    }
    drop((copy, present));
    Ok(dir.replace_blocks(because)?)
}
