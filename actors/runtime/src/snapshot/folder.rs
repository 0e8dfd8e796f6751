//! A snapshot in a folder: read with all of its proofs, or written as what a chain begins with.

use catenary_ledger::State;
use catenary_replica::{Anchor, Manifest, Pin, SnapshotError, Tip, VerifiedManifest};
use catenary_store::{
    ChainDir, FileError,
    snapshot::{SnapshotWriter, read_chunk, read_manifest},
};
use catenary_types::{Height, Message};
use std::path::{Path, PathBuf};

/// Why a snapshot of a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotFileError {
    /// A file of it cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not what it should be.
    #[error("snapshot in {}: {error}", folder.display())]
    Bad {
        /// Its folder.
        folder: PathBuf,
        /// What is wrong.
        error: SnapshotError,
    },
    /// There is none.
    #[error("{} holds no snapshot", folder.display())]
    Missing {
        /// The folder.
        folder: PathBuf,
    },
}

/// A snapshot in a folder whose manifest has been verified. Its chunks are read when they are needed.
#[derive(Clone, Debug)]
pub struct SnapshotFolder {
    folder: PathBuf,
    manifest: VerifiedManifest,
}

impl SnapshotFolder {
    /// Reads and verifies the manifest of a folder.
    pub fn read(folder: &Path, anchor: &Anchor, pin: Option<Pin>) -> Result<Self, SnapshotFileError> {
        let missing = || SnapshotFileError::Missing { folder: folder.to_owned() };
        Self::find(folder, anchor, pin)?.ok_or_else(missing)
    }

    /// The same, if there is such a folder.
    pub fn find(folder: &Path, anchor: &Anchor, pin: Option<Pin>) -> Result<Option<Self>, SnapshotFileError> {
        let Some(bytes) = read_manifest(folder)? else { return Ok(None) };
        let bad = |error| SnapshotFileError::Bad { folder: folder.to_owned(), error };
        let manifest = Manifest::read(&bytes).and_then(|manifest| manifest.verify(anchor, pin));
        Ok(Some(Self { folder: folder.to_owned(), manifest: manifest.map_err(bad)? }))
    }

    /// What is in it.
    pub fn manifest(&self) -> &Manifest {
        self.manifest.manifest()
    }

    /// The height after which its state is.
    pub fn height(&self) -> Height {
        self.manifest().height()
    }

    /// Its state and tip, once all of its content is verified.
    pub fn open(&self) -> Result<(State, Tip), SnapshotFileError> {
        let opened = self.manifest.open(&self.chunks()?);
        opened.map_err(|error| SnapshotFileError::Bad { folder: self.folder.clone(), error })
    }

    /// Its chunks, as they stand on the disk.
    pub fn chunks(&self) -> Result<Vec<Vec<u8>>, FileError> {
        (0..self.manifest().chunks.len()).map(|index| read_chunk(&self.folder, index as u64)).collect()
    }
}

/// Writes a snapshot that was verified as what a chain without a block begins with. Until it is whole the chain begins
/// with its genesis.
pub fn store_base(dir: &ChainDir, manifest: &Manifest, chunks: &[Vec<u8>]) -> Result<(), FileError> {
    let mut writer = SnapshotWriter::begin(&dir.base())?;
    chunks.iter().try_for_each(|chunk| writer.chunk(chunk))?;
    writer.finish(&manifest.encode())
}
