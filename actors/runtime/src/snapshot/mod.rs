//! Snapshots of a chain on this node: taken while it runs, kept, served to others, and begun from.
//!
//! The index holds the state of one height at a time. When a snapshot is due the chain's next checkpoint waits until that
//! state is copied; the chain itself goes on, and what it does meanwhile stays in memory as between any two checkpoints.
//!
//! ```text
//!   checkpoint of H written ─► due? ─► a thread copies index and headers ─► named ─► the next checkpoint
//!                                             meanwhile: blocks, votes, reads as ever
//! ```

mod folder;
mod offline;
mod take;

pub use folder::{SnapshotFileError, SnapshotFolder, store_base};
pub use offline::{CreateSnapshotError, create_snapshot};
pub(crate) use take::Take;
pub use take::TakeError;

use crate::reader::Reader;
use catenary_replica::{Anchor, Manifest, PeerMessage, SnapshotPart};
use catenary_store::{
    ChainDir, FileError,
    snapshot::{self, Snapshots},
};
use catenary_types::Height;
use std::{path::PathBuf, sync::Arc};

/// When snapshots are taken, and how many are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotPolicy {
    /// Blocks between two snapshots; 0 takes none.
    pub every_blocks: u64,
    /// Newest ones that are kept.
    pub keep: usize,
    /// Whether a chain without a block may begin with one of another node; else it fetches every block.
    pub begin: bool,
}

impl Default for SnapshotPolicy {
    fn default() -> Self {
        Self { every_blocks: 10_000, keep: 2, begin: true }
    }
}

/// The snapshots of one chain; cheap to clone.
#[derive(Clone)]
pub(crate) struct ChainSnapshots {
    policy: SnapshotPolicy,
    taken: Snapshots,
    /// The folder of the one that the chain's block log goes on from.
    base: PathBuf,
    base_height: Option<Height>,
    anchor: Arc<Anchor>,
    /// Height of the newest that is here.
    newest: Height,
}

impl ChainSnapshots {
    /// Finds what there is, and removes what was not finished.
    pub(crate) fn find(
        policy: SnapshotPolicy,
        taken: Snapshots,
        dir: &ChainDir,
        reader: &Reader,
        anchor: Anchor,
    ) -> Result<Self, FileError> {
        taken.clean()?;
        snapshot::clean(&dir.base())?;
        let base_height = reader.oldest().previous().filter(|base| *base > Height(0));
        let newest = taken.heights()?.last().copied().map(Height).max(base_height).unwrap_or_default();
        let (base, anchor) = (dir.base(), Arc::new(anchor));
        Ok(Self { policy, taken, base, base_height, anchor, newest })
    }

    /// Whether a checkpoint of this height is to become a snapshot.
    pub(crate) fn is_due(&self, height: Height) -> bool {
        self.policy.every_blocks > 0 && height.0 >= self.newest.0.saturating_add(self.policy.every_blocks)
    }

    /// A snapshot was taken.
    pub(crate) fn note(&mut self, height: Height) {
        self.newest = height;
    }

    /// The answer to a peer that asks for a part of the newest snapshot. Reads files.
    pub(crate) fn answer(&self, part: SnapshotPart) -> PeerMessage {
        match part {
            SnapshotPart::Manifest => {
                let newest = self.taken.heights().ok().and_then(|heights| heights.last().copied());
                let folder = newest.map_or_else(|| self.base.clone(), |height| self.taken.folder(height));
                let bytes = snapshot::read_manifest(&folder).ok().flatten();
                // One that does not read is as good as none: the peer asks somebody else.
                PeerMessage::Manifest(bytes.and_then(|bytes| Manifest::read(&bytes).ok()).map(Arc::new))
            }
            SnapshotPart::Chunk { height, index } => {
                let is_base = self.base_height == Some(height);
                let taken = self.taken.folder(height.0);
                let folder = if taken.is_dir() || !is_base { taken } else { self.base.clone() };
                let bytes = snapshot::read_chunk(&folder, index.into()).unwrap_or_default();
                PeerMessage::Chunk { height, index, bytes }
            }
        }
    }
}
