//! Copies of blocks: out of one folder, into another.

use super::CHECKPOINT_BLOCKS;
use crate::recovery::{OpenChainError, OpenedChain, Others, decode, open_chain};
use catenary_journal::block_log::Identity;
use catenary_ledger::{GenesisError, Ledger};
use catenary_platform::Platform;
use catenary_store::{
    ChainDir,
    block_log::{BlockLog, BlockLogWriter, CopyError, CopyReader, CopyWriter},
    index::Index,
};
use catenary_types::{ChainId, Genesis, Height};
use std::{ops::RangeInclusive, path::Path};

/// Blocks cannot be copied out of a folder or into it.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The chain in the folder cannot be read.
    #[error(transparent)]
    Chain(#[from] OpenChainError),
    /// The copy cannot be written or read.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The blocks that were asked for are not there.
    #[error("the folder holds the blocks 1 to {newest}, not {first} to {last}")]
    Range {
        /// The newest block of the folder.
        newest: Height,
        /// The first that was asked for.
        first: Height,
        /// The last.
        last: Height,
    },
    /// The copy is of another chain, or of another one of the same name.
    #[error("the copy holds blocks of {copied}, the genesis is that of {chain_id}")]
    OtherChain {
        /// The chain of the genesis.
        chain_id: ChainId,
        /// The chain of the copy.
        copied: String,
    },
    /// There are blocks missing between folder and copy.
    #[error(
        "the folder ends at block {newest} and the copy begins with {first}: blocks between them are missing"
    )]
    Gap {
        /// The newest block of the folder.
        newest: Height,
        /// The first of the copy.
        first: Height,
    },
    /// A block of the copy is another one than that of the folder.
    #[error(
        "block {height} of the copy is not the one of this folder: one of the two is no block of this chain, or more than a third \
         of its validators lied"
    )]
    OtherBlock {
        /// Its height.
        height: Height,
    },
    /// A block of the copy does not follow, or is not certified.
    #[error("block {height} of the copy was not taken, those before it were: {reason}")]
    Refused {
        /// Its height.
        height: Height,
        /// Why.
        reason: String,
    },
}

/// What an import did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Blocks that the folder had already; they are the same.
    pub known: u64,
    /// Blocks that were added.
    pub added: u64,
    /// The newest block of the folder now.
    pub newest: Height,
}

fn identity(genesis: &Genesis) -> Result<(ChainId, Identity), OpenChainError> {
    let chain_id = genesis.chain_id().map_err(GenesisError::from)?;
    let identity = Identity::new(chain_id.as_str(), genesis.hash())?;
    Ok((chain_id, identity))
}

/// Copies blocks of a chain into a file. Gives the first, the last and how many; a last one of `u64::MAX` means the newest.
pub fn export(
    genesis: &Genesis,
    dir: &ChainDir,
    heights: RangeInclusive<u64>,
    file: &Path,
) -> Result<(Height, Height, u64), TransferError> {
    let (_, identity) = identity(genesis)?;
    let (log, _) = BlockLog::read_only(&dir.blocks(), identity.clone()).map_err(OpenChainError::from)?;
    let (first, newest) = (*heights.start(), log.written_height());
    let last = if *heights.end() == u64::MAX { newest } else { *heights.end() };
    if first == 0 || last > newest || first > last {
        let [newest, first, last] = [newest, first, last].map(Height);
        return Err(TransferError::Range { newest, first, last });
    }
    let read = |height: u64| log.read(height).map_err(OpenChainError::from);
    let before = read(first - 1)?.map_or(identity.first_chain_hash(), |entry| entry.chain_hash);
    let mut copy = CopyWriter::create(file, identity, first, before)?;
    for height in first..=last {
        copy.append(&read(height)?.expect("the log holds every height up to its newest"))?;
    }
    copy.finish()?;
    Ok((Height(first), Height(last), last - first + 1))
}

/// Appends the blocks of a copy to a chain's folder. Each must follow from the blocks before it, with a certificate of the set
/// of its height, and is executed.
pub fn import(
    genesis: &Genesis,
    ledger: &Ledger,
    dir: &ChainDir,
    (index, logs): (&Index, &BlockLogWriter),
    file: &Path,
) -> Result<Imported, TransferError> {
    let (chain_id, identity) = identity(genesis)?;
    let copy = CopyReader::open(file)?;
    if *copy.identity() != identity {
        let copied = copy.identity().chain_id().to_owned();
        return Err(TransferError::OtherChain { chain_id, copied });
    }
    let disk = (&Platform::default(), index, logs);
    let opened = open_chain(genesis, ledger, dir, disk, Others::None)?;
    let first = Height(copy.next_height());
    if first > opened.tip.height.next() {
        return Err(TransferError::Gap { newest: opened.tip.height, first });
    }
    let imported = take(opened, copy);
    // What was taken before an error is kept.
    logs.flush();
    imported
}

fn take(opened: OpenedChain, copy: CopyReader) -> Result<Imported, TransferError> {
    let OpenedChain { mut host, reader, tip, .. } = opened;
    let mut imported = Imported { known: 0, added: 0, newest: tip.height };
    for entry in copy {
        let entry = entry?;
        let height = Height(entry.height);
        let (block, certificate) = decode(&entry)?;
        if height <= tip.height {
            let known = reader.logged(height).map_err(|error| OpenChainError::Decode(error.to_string()))?;
            if known.is_none_or(|(known, _)| known.header.hash() != block.header.hash()) {
                return Err(TransferError::OtherBlock { height });
            }
            imported.known += 1;
            continue;
        }
        let refused = |reason: String| TransferError::Refused { height, reason };
        host.import(block, certificate).map_err(refused)?;
        imported = Imported { added: imported.added + 1, newest: height, ..imported };
        if imported.added.is_multiple_of(CHECKPOINT_BLOCKS)
            && let Some(batch) = host.checkpoint().map_err(refused)?
        {
            host.space().apply(batch).map_err(OpenChainError::from)?;
            host.checkpoint_written();
        }
    }
    Ok(imported)
}
