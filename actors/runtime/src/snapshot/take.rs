//! Taking a snapshot: the state from the index, headers and certificates from the block log.

use super::ChainSnapshots;
use crate::{
    book::{Meta, Replay, key},
    reader::Reader,
};
use catenary_ledger::State;
use catenary_relay::gateway::GatewayError;
use catenary_replica::{
    ChunkSummary, Chunks, MANIFEST_VERSION, Manifest, ReplayEntry, SetChange, SnapshotError, StateEntry,
};
use catenary_store::{
    FileError,
    index::{IndexError, Space},
    snapshot::{SnapshotWriter, read_manifest},
};
use catenary_types::{Block, Certificate, Height, Message, SignedHeader};
use std::path::Path;

/// Why no snapshot was taken. The chain goes on, and the next one is tried at a later height.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// The state is not sealed yet, or too few blocks are here.
    #[error("the state after height {0} is not named by a header yet")]
    TooEarly(Height),
    /// The index changed while it was copied.
    #[error("the index moved on from height {0}")]
    Moved(Height),
    /// The index cannot be read.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// Blocks or what the index says of them cannot be read.
    #[error("{0}")]
    Read(String),
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// What was made would be refused.
    #[error("it would be refused: {0}")]
    Refused(#[from] SnapshotError),
}

impl From<GatewayError> for TakeError {
    fn from(error: GatewayError) -> Self {
        Self::Read(error.to_string())
    }
}

/// A snapshot to be taken of what an index holds. Nothing may be written to the index meanwhile.
pub(crate) struct Take {
    pub(crate) snapshots: ChainSnapshots,
    pub(crate) space: Space,
    pub(crate) reader: Reader,
}

impl Take {
    /// Takes it, and removes old ones. Gives its height.
    pub(crate) fn run(&self) -> Result<Height, TakeError> {
        let indexed = self.indexed()?;
        let height = self.sealed(indexed)?;
        let (before, at, after) = self.headers(height)?;
        let next_validators = self.reader.validators(&at.header.next_validators_hash)?;
        let trail = self.trail(height)?;
        let taken = &self.snapshots.taken;
        let mut writer = SnapshotWriter::begin(&taken.folder(height.0))?;
        let chunks = self.content(&mut writer)?;
        if self.indexed()? != indexed {
            return Err(TakeError::Moved(indexed));
        }
        let version = MANIFEST_VERSION;
        let manifest = Manifest { version, before: before.header, at, after, next_validators, trail, chunks };
        let bytes = manifest.encode();
        Manifest::read(&bytes)?.verify(&self.snapshots.anchor, None)?;
        writer.finish(&bytes)?;
        taken.keep(self.snapshots.policy.keep.max(1))?;
        Ok(height)
    }

    fn indexed(&self) -> Result<Height, TakeError> {
        let bytes = self.space.get(key::META)?.ok_or_else(|| TakeError::Read("the index is empty".into()))?;
        let meta = Meta::decode(&bytes).map_err(|error| TakeError::Read(format!("index: {error}")))?;
        Ok(meta.height)
    }

    /// The height whose state this is and that a header names: an empty block left the state of the one before it.
    fn sealed(&self, indexed: Height) -> Result<Height, TakeError> {
        let is_empty = self.logged(indexed)?.0.envelopes.is_empty();
        let height = if is_empty { indexed.previous().unwrap_or_default() } else { indexed };
        // The header before it must be here too.
        if height.previous().is_none_or(|before| before < self.reader.oldest()) {
            return Err(TakeError::TooEarly(height));
        }
        Ok(height)
    }

    /// Headers H-1, H and H+1.
    fn headers(&self, height: Height) -> Result<(SignedHeader, SignedHeader, SignedHeader), TakeError> {
        let signed = |height| {
            let (block, certificate) = self.logged(height)?;
            Ok::<_, TakeError>(SignedHeader { header: block.header, certificate })
        };
        let before = height.previous().ok_or(TakeError::TooEarly(height))?;
        Ok((signed(before)?, signed(height)?, signed(height.next())?))
    }

    fn logged(&self, height: Height) -> Result<(Block, Certificate), TakeError> {
        // The height before it: that is the one whose state has no header yet.
        let early = || TakeError::TooEarly(height.previous().unwrap_or_default());
        self.reader.logged(height)?.ok_or_else(early)
    }

    /// Every change of the set below a height: those that an earlier snapshot lists, and those in the blocks since.
    fn trail(&self, height: Height) -> Result<Vec<SetChange>, TakeError> {
        let (mut trail, from) = match self.earlier(height)? {
            None => (Vec::new(), self.reader.oldest()),
            Some(Manifest { mut trail, at, next_validators, .. }) => {
                let next = at.header.height.next();
                if SetChange::is_announced_by(&at.header) {
                    trail.push(SetChange { signed: at, validators: next_validators });
                }
                (trail, next)
            }
        };
        for height in (from.0..height.0).map(Height) {
            let (block, certificate) = self.logged(height)?;
            if SetChange::is_announced_by(&block.header) {
                let validators = self.reader.validators(&block.header.next_validators_hash)?;
                trail.push(SetChange {
                    signed: SignedHeader { header: block.header, certificate },
                    validators,
                });
            }
        }
        Ok(trail)
    }

    /// The manifest of the newest snapshot below a height whose blocks since are here.
    fn earlier(&self, height: Height) -> Result<Option<Manifest>, TakeError> {
        let read = |folder: &Path| {
            let bytes = read_manifest(folder)?;
            Ok::<_, TakeError>(bytes.as_deref().map(Manifest::read).transpose()?)
        };
        let heights = self.snapshots.taken.heights()?;
        let usable = |taken: &&u64| **taken < height.0 && **taken + 1 >= self.reader.oldest().0;
        match heights.iter().rev().find(usable) {
            Some(taken) => read(&self.snapshots.taken.folder(*taken)),
            None => read(&self.snapshots.base),
        }
    }

    fn content(&self, writer: &mut SnapshotWriter) -> Result<Vec<ChunkSummary>, TakeError> {
        let mut chunks = Chunks::default();
        for (store, kind) in State::STORES {
            if kind.tree().is_none() {
                continue;
            }
            let prefix = key::state_prefix(store);
            for entry in self.space.scan(&prefix) {
                let (key, value) = entry?;
                let (store, key) = (store.as_str().to_owned(), key[prefix.len()..].to_vec());
                let full = chunks.entry(StateEntry { store, key, value });
                full.iter().try_for_each(|chunk| writer.chunk(chunk))?;
            }
        }
        for entry in self.space.scan(key::REPLAY) {
            let (key, value) = entry?;
            let malformed = || TakeError::Read("a replay entry of the index is malformed".into());
            let minute = key::minute(&key).ok_or_else(malformed)?;
            let Replay { sender, request_id, .. } = Replay::decode(&value).map_err(|_| malformed())?;
            let full = chunks.id(ReplayEntry { minute, sender, request_id });
            full.iter().try_for_each(|chunk| writer.chunk(chunk))?;
        }
        let (last, summaries) = chunks.finish();
        last.iter().try_for_each(|chunk| writer.chunk(chunk))?;
        Ok(summaries)
    }
}
