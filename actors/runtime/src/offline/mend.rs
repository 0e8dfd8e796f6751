//! Rebuilding an index, and cutting a block log back to a height.

use super::CHECKPOINT_BLOCKS;
use crate::{
    book::Book,
    journal::chain_tag,
    recovery::{OpenChainError, base_of, begin, decode, identity_of},
    repair,
};
use catenary_ledger::Ledger;
use catenary_replica::Worker;
use catenary_store::{
    ChainDir, SetAside,
    block_log::{BlockLog, BlockLogWriter},
    index::Index,
};
use catenary_types::{Genesis, Height};

/// Drops what the index holds of a chain and fills it again from the block log, which must be whole. Gives the height of the
/// newest block.
pub fn rebuild_index(
    genesis: &Genesis,
    ledger: &Ledger,
    dir: &ChainDir,
    index: &Index,
) -> Result<Height, OpenChainError> {
    let base = base_of(genesis, dir)?;
    let mut worker = begin(genesis, ledger, None, base.as_ref())?;
    let (chain_id, tag) = (worker.tip().chain_id.clone(), chain_tag(&worker.tip().chain_id));
    let base_height = worker.tip().height;
    let (log, report) = BlockLog::read_only(&dir.blocks(), identity_of(genesis, base.as_ref())?)?;
    if !report.is_clean() {
        return Err(OpenChainError::LogDamaged { chain_id, detail: report.to_string() });
    }
    index.delete_space(tag)?;
    let book = Book::new(index.space(tag)?, base_height);
    let newest = log.written_height();
    for entry in log.iter(base_height.0 + 1) {
        let (block, certificate) = decode(&entry?)?;
        let height = block.header.height.0;
        // No header names the state after the newest block yet, unless it is empty: a checkpoint of it would not be believed.
        let last_named = height == newest && !block.envelopes.is_empty();
        if last_named || height.is_multiple_of(CHECKPOINT_BLOCKS) {
            checkpoint(&mut worker, (&book, base_height))?;
        }
        let executed = worker.replay(block, certificate)?;
        if !last_named {
            book.enter(&executed).map_err(OpenChainError::Decode)?;
            if height == newest {
                checkpoint(&mut worker, (&book, base_height))?;
            }
        }
    }
    index.flush()?;
    Ok(worker.tip().height)
}

fn checkpoint(worker: &mut Worker, (book, base): (&Book, Height)) -> Result<(), OpenChainError> {
    if worker.tip().height == base {
        return Ok(());
    }
    let batch = book.checkpoint(&worker.take_checkpoint()).map_err(OpenChainError::Decode)?;
    book.space().apply(batch)?;
    book.written();
    Ok(())
}

/// Cuts a block log back to a height. The present log is set aside whole; gives the name of its folder. The index is to be
/// rebuilt after it.
pub fn roll_back(
    genesis: &Genesis,
    dir: &ChainDir,
    logs: &BlockLogWriter,
    to: Height,
) -> Result<String, OpenChainError> {
    let chain_id = genesis.chain_id().map_err(catenary_ledger::GenesisError::from)?;
    let base = base_of(genesis, dir)?;
    let identity = identity_of(genesis, base.as_ref())?;
    if base.as_ref().is_some_and(|base| to < base.height()) {
        return Err(OpenChainError::Repair("the chain begins with a snapshot of a later height".into()));
    }
    let (log, report) = BlockLog::read_only(&dir.blocks(), identity.clone())?;
    if report
        .damage
        .iter()
        .any(|damage| damage.first <= to.0 && damage.last.is_none_or(|last| last >= damage.first))
    {
        return Err(OpenChainError::LogDamaged { chain_id, detail: report.to_string() });
    }
    if log.written_height() < to.0 {
        return Err(OpenChainError::Repair(format!(
            "the newest block is {}, so there is no height {to} to go back to",
            log.written_height()
        )));
    }
    repair::begin_anew(logs, dir, &identity, (log, to.0 + 1), SetAside::RolledBack)
}
