//! Snapshots of a node that does not run: made, listed, verified, and put in the place of a chain's blocks.

use catenary_consensus::Mark;
use catenary_journal::guard::Marked;
use catenary_ledger::Ledger;
use catenary_replica::{Anchor, Manifest, Pin, SnapshotError};
use catenary_runtime::{CreateSnapshotError, SnapshotFileError, SnapshotFolder, chain_tag, store_base};
use catenary_store::{
    DataDir, FileError, OpenDirError, OpenError, guard::GuardWriter, snapshot::read_manifest,
};
use catenary_types::{ChainId, FormatError, Genesis, Height, Message};
use std::path::{Path, PathBuf};

/// Why something cannot be done with snapshots.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotCommandError {
    /// The folder cannot be used.
    #[error(transparent)]
    Dir(#[from] OpenDirError),
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The guard cannot be opened.
    #[error("guard: {0}")]
    Guard(OpenError),
    /// No snapshot can be made.
    #[error(transparent)]
    Create(#[from] CreateSnapshotError),
    /// A snapshot is none.
    #[error(transparent)]
    Snapshot(#[from] SnapshotFileError),
    /// A manifest does not read.
    #[error("snapshot of height {height}: {error}")]
    Manifest {
        /// What its folder is called.
        height: u64,
        /// What is wrong.
        error: SnapshotError,
    },
    /// The genesis starts no chain.
    #[error("genesis: {0}")]
    Genesis(#[from] FormatError),
    /// There is no such chain here.
    #[error("the folder holds no genesis of {0}; name its file with --genesis")]
    NoGenesis(ChainId),
    /// The genesis is of another chain.
    #[error("expected a genesis of {expected}, got one of {actual}")]
    OtherGenesis {
        /// The chain that was named.
        expected: ChainId,
        /// The one that the genesis makes.
        actual: ChainId,
    },
    /// The chain has begun already.
    #[error(
        "{} holds blocks, or a snapshot that they begin with: a snapshot is restored into an empty folder. Move it away \
         first if the blocks are not needed",
        folder.display()
    )]
    NotEmpty {
        /// Of the chain.
        folder: PathBuf,
    },
}

/// A snapshot of a data folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The height after which its state is.
    pub height: Height,
    /// Its folder.
    pub folder: PathBuf,
    /// Chunks it has.
    pub chunks: usize,
    /// Bytes of them.
    pub bytes: u64,
}

/// Takes a snapshot of the newest state of a chain; the node must not run.
pub fn create_snapshot(
    data: &DataDir,
    chain_id: &ChainId,
    ledger: &Ledger,
) -> Result<Listed, SnapshotCommandError> {
    let genesis = genesis_of(data, chain_id, None)?;
    let height = catenary_runtime::create_snapshot(data, chain_id, &genesis, ledger)?;
    let listed = list_snapshots(data, chain_id)?;
    Ok(listed.into_iter().find(|listed| listed.height == height).expect("it was just written"))
}

/// The snapshots of a chain, oldest first. Only their manifests are looked at.
pub fn list_snapshots(data: &DataDir, chain_id: &ChainId) -> Result<Vec<Listed>, SnapshotCommandError> {
    let taken = data.snapshots(chain_id.as_str());
    let listed = |height: u64| {
        let folder = taken.folder(height);
        let bytes = read_manifest(&folder)?.unwrap_or_default();
        let manifest =
            Manifest::read(&bytes).map_err(|error| SnapshotCommandError::Manifest { height, error })?;
        let (height, chunks, bytes) = (manifest.height(), manifest.chunks.len(), manifest.content_bytes());
        Ok(Listed { height, folder, chunks, bytes })
    };
    taken.heights()?.into_iter().map(listed).collect()
}

/// Verifies a whole snapshot with the genesis alone. Gives its height and the root of its state.
pub fn verify_snapshot(
    genesis: &Genesis,
    folder: &Path,
    pin: Option<Pin>,
) -> Result<(Height, catenary_crypto::Hash), SnapshotCommandError> {
    let (state, _) = SnapshotFolder::read(folder, &Anchor::of(genesis)?, pin)?.open()?;
    Ok((state.height(), state.app_hash()))
}

/// Has a chain without a block begin with a snapshot, once all of it is verified; the node must not run. Its validator
/// votes only after the others have said how far they are. Gives the height after which the chain goes on.
pub fn restore_snapshot(
    data: &DataDir,
    chain_id: &ChainId,
    genesis: Option<&Genesis>,
    folder: &Path,
    pin: Option<Pin>,
) -> Result<Height, SnapshotCommandError> {
    let genesis = genesis_of(data, chain_id, genesis)?;
    let dir = data.chain(chain_id.as_str())?;
    if !dir.is_blank()? {
        return Err(SnapshotCommandError::NotEmpty { folder: dir.blocks() });
    }
    let snapshot = SnapshotFolder::read(folder, &Anchor::of(&genesis)?, pin)?;
    snapshot.open()?;
    dir.store_genesis(&genesis.encode())?;
    // The mark first: whatever becomes of the rest, nothing is signed that may have been signed before.
    forget_votes(data, chain_id, snapshot.height())?;
    store_base(&dir, snapshot.manifest(), &snapshot.chunks()?)?;
    Ok(snapshot.height())
}

/// Notes that the validator may have signed anything above what the guard knows, and above the snapshot.
fn forget_votes(data: &DataDir, chain_id: &ChainId, height: Height) -> Result<(), SnapshotCommandError> {
    // Nothing that was signed may be forgotten here, be it unsent: so nothing is said of the journal.
    let (guard, _) = GuardWriter::open(&data.guard(), None).map_err(SnapshotCommandError::Guard)?;
    let (guard, tag) = (guard.guard(), chain_tag(chain_id));
    let known = guard.newest(tag).and_then(|bytes| Mark::decode(&bytes));
    // The block after the snapshot has a certificate.
    let signed = height.next();
    let floor = known.map_or(signed, |mark| mark.height.max(signed));
    let mark = Mark::forgotten(floor);
    let mark = if mark.is_above(known.as_ref()) { mark } else { Mark::forgotten(floor.next()) };
    guard.raise_and_wait([(tag, Marked { mark: mark.encode(), batch: 0 })])?;
    Ok(())
}

fn genesis_of(
    data: &DataDir,
    chain_id: &ChainId,
    given: Option<&Genesis>,
) -> Result<Genesis, SnapshotCommandError> {
    let genesis = match given {
        Some(genesis) => genesis.clone(),
        None => {
            let known = data.chain_ids()?.iter().any(|known| known == chain_id.as_str());
            let stored = if known { data.chain(chain_id.as_str())?.genesis()? } else { None };
            let decoded = stored.and_then(|bytes| Genesis::decode(&bytes).ok());
            decoded.ok_or_else(|| SnapshotCommandError::NoGenesis(chain_id.clone()))?
        }
    };
    let actual = genesis.chain_id().map_err(|_| FormatError::Header("the genesis makes no chain id"))?;
    if actual == *chain_id {
        return Ok(genesis);
    }
    Err(SnapshotCommandError::OtherGenesis { expected: chain_id.clone(), actual })
}
