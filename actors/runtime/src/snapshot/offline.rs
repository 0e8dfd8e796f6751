//! Snapshots of a node that does not run.

use super::{ChainSnapshots, SnapshotPolicy, Take, TakeError};
use crate::recovery::{OpenChainError, OpenedChain, Others, open_chain};
use catenary_ledger::Ledger;
use catenary_platform::Platform;
use catenary_replica::Anchor;
use catenary_store::{
    DataDir, FileError,
    block_log::{self, BlockLogWriter},
    index::{Engine, Index, IndexError},
};
use catenary_types::{ChainId, FormatError, Genesis, Height};

/// Why no snapshot can be made of a stopped node's chain.
#[derive(Debug, thiserror::Error)]
pub enum CreateSnapshotError {
    /// The chain does not open.
    #[error(transparent)]
    Chain(#[from] OpenChainError),
    /// It is there already.
    #[error("there is a snapshot of height {0}, and nothing newer to take one of")]
    Exists(Height),
    /// It cannot be taken.
    #[error(transparent)]
    Take(#[from] TakeError),
    /// The genesis starts no chain.
    #[error("genesis: {0}")]
    Genesis(#[from] FormatError),
    /// The index cannot be used.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// What the index would be brought to cannot be made.
    #[error("checkpoint: {0}")]
    Checkpoint(String),
}

/// Takes a snapshot of the newest sealed state of a chain. All that are there are kept.
pub fn create_snapshot(
    data: &DataDir,
    chain_id: &ChainId,
    genesis: &Genesis,
    ledger: &Ledger,
) -> Result<Height, CreateSnapshotError> {
    let dir = data.chain(chain_id.as_str()).map_err(OpenChainError::from)?;
    let logs = BlockLogWriter::start(block_log::Config::default(), |_| ())?;
    let (index, _) = Index::open_or_recreate(&data.index(), Engine::default())?;
    let disk = (&Platform::default(), &index, &logs);
    // As if there were no others: what is damaged is left as it is, and named.
    let OpenedChain { mut host, tip, reader, .. } = open_chain(genesis, ledger, &dir, disk, Others::None)?;
    let space = host.space();
    if let Some(batch) = host.checkpoint().map_err(CreateSnapshotError::Checkpoint)? {
        space.apply(batch)?;
        index.flush()?;
    }
    let (taken, anchor) = (data.snapshots(chain_id.as_str()), Anchor::of(genesis)?);
    let newest = taken.heights()?.last().copied().unwrap_or_default();
    // The newest state is that after the tip, or after the block before it if the tip is empty.
    if newest > 0 && newest + u64::from(tip.empty) >= tip.height.0 {
        return Err(CreateSnapshotError::Exists(Height(newest)));
    }
    let policy = SnapshotPolicy { every_blocks: 0, keep: usize::MAX, begin: false };
    let snapshots = ChainSnapshots::find(policy, taken, &dir, &reader, anchor)?;
    Ok(Take { snapshots, space, reader }.run()?)
}
