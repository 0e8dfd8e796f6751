//! One chain's log: its files, where its blocks stand, and how far it is written and flushed.

use super::{BlockLogError, Counters, ReadError, RefusedReason};
use crate::failpoint::{Failpoint, reached};
use crate::files::{self, Create};
use crate::{FileError, block_log::writer::Progress};
use catenary_journal::block_log::{
    Cause, Damage, Entry, EntryError, Identity, Located, PartTooLarge, SegmentWriter, decode_entry,
};
use catenary_journal::journal::{ChainTag, PAYLOAD_BYTES_MAX};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

/// Extension of a segment's file.
pub(super) const EXTENSION: &str = "blocks";

pub(super) struct Log {
    identity: Identity,
    dir: PathBuf,
    segment_bytes: u64,
    /// Height that the next append must have.
    next_height: Mutex<u64>,
    /// Where the blocks stand, in order of height.
    blocks: RwLock<Vec<Located>>,
    /// What was lost when the log was opened.
    damage: Vec<Damage>,
    written: AtomicU64,
    flushed: AtomicU64,
    failure: OnceLock<BlockLogError>,
    output: Mutex<Output>,
}

/// What only the writer thread uses.
pub(super) struct Output {
    pub(super) create: Create,
    /// The open segment; `None` before the first block.
    pub(super) open: Option<(SegmentWriter, File)>,
    /// Chain hash to start the first segment with.
    pub(super) start: catenary_crypto::Hash,
    pub(super) buffer: Vec<u8>,
}

/// What opening found.
pub(super) struct Found {
    pub(super) blocks: Vec<Located>,
    pub(super) damage: Vec<Damage>,
    pub(super) next_height: u64,
    pub(super) output: Output,
    pub(super) failure: Option<BlockLogError>,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Log({}, written {})", self.identity.chain_id(), self.written_height())
    }
}

impl Log {
    pub(super) fn new(identity: Identity, dir: &Path, segment_bytes: u64, found: Found) -> Self {
        let Found { blocks, damage, next_height, output, failure } = found;
        let last = next_height - 1;
        Self {
            identity,
            dir: dir.to_path_buf(),
            segment_bytes,
            next_height: Mutex::new(next_height),
            blocks: RwLock::new(blocks),
            damage,
            written: AtomicU64::new(last),
            // Opening flushes the last segment.
            flushed: AtomicU64::new(last),
            failure: failure.map_or_else(OnceLock::new, OnceLock::from),
            output: Mutex::new(output),
        }
    }

    pub(super) fn chain(&self) -> ChainTag {
        ChainTag::of(self.identity.chain_id())
    }

    pub(super) fn next_height(&self) -> MutexGuard<'_, u64> {
        self.next_height.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn first_height(&self) -> u64 {
        self.identity.first_height()
    }

    pub(super) fn written_height(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    pub(super) fn flushed_height(&self) -> u64 {
        self.flushed.load(Ordering::Acquire)
    }

    pub(super) fn failure(&self) -> Option<BlockLogError> {
        self.failure.get().cloned()
    }

    /// Makes the log fail for ever.
    pub(super) fn fail(&self, error: BlockLogError) {
        let _ = self.failure.set(error);
    }

    /// Whether a block may be queued.
    pub(super) fn check(
        &self,
        expected: u64,
        actual: u64,
        block: &[u8],
        certificate: &[u8],
    ) -> Result<(), RefusedReason> {
        if let Some(failure) = self.failure() {
            return Err(failure.into());
        }
        if actual != expected {
            return Err(RefusedReason::Height { expected, actual });
        }
        let longest = block.len().max(certificate.len());
        if longest > PAYLOAD_BYTES_MAX {
            return Err(PartTooLarge { actual: longest, max: PAYLOAD_BYTES_MAX }.into());
        }
        Ok(())
    }

    /// Writes the next block, without flushing it. Only the writer thread calls this.
    pub(super) fn write(
        &self,
        block: &[u8],
        certificate: &[u8],
        counters: &Counters,
    ) -> Result<(), FileError> {
        reached(Failpoint::BlockLogBlockTaken);
        let mut output = self.output();
        if output.open.as_ref().is_none_or(|(segment, _)| segment.len() >= self.segment_bytes) {
            self.rotate(&mut output, counters)?;
        }
        let Output { open, buffer, .. } = &mut *output;
        let (segment, file) = open.as_mut().expect("a segment was opened above");
        buffer.clear();
        let located = segment
            .append(block, certificate, self.flushed_height(), buffer)
            .expect("handles refuse blocks that are too large");
        let path = self.path(segment.first_height());
        file.write_all(buffer).map_err(FileError::of("write", &path))?;
        reached(Failpoint::BlockLogBlockWritten);
        Counters::add(&counters.blocks, 1);
        Counters::add(&counters.bytes, buffer.len() as u64);
        self.blocks.write().unwrap_or_else(PoisonError::into_inner).push(located);
        self.written.store(located.height, Ordering::Release);
        Ok(())
    }

    /// Flushes what was written; says how far the log has come if it moved. Only the writer thread calls this.
    pub(super) fn flush(&self, counters: &Counters) -> Result<Progress, FileError> {
        self.flush_output(&self.output(), counters)
    }

    fn flush_output(&self, output: &Output, counters: &Counters) -> Result<Progress, FileError> {
        let written = self.written_height();
        match &output.open {
            Some((segment, file)) if written > self.flushed_height() => {
                let path = self.path(segment.first_height());
                file.sync_data().map_err(FileError::of("flush", &path))?;
                reached(Failpoint::BlockLogFlushed);
                Counters::add(&counters.fsyncs, 1);
                self.flushed.store(written, Ordering::Release);
                Ok(Progress::Flushed(written))
            }
            _ => Ok(Progress::Nothing),
        }
    }

    /// Flushes the open segment and starts the next, durable with its name.
    fn rotate(&self, output: &mut Output, counters: &Counters) -> Result<(), FileError> {
        self.flush_output(output, counters)?;
        let (next, previous) = match &output.open {
            Some((segment, _)) => (segment.next_height(), segment.chain_hash()),
            None => (self.written_height() + 1, output.start),
        };
        let (segment, bytes) = SegmentWriter::create(self.identity.clone(), next, previous);
        let path = self.path(next);
        let mut file = (output.create)(&path).map_err(FileError::of("create", &path))?;
        file.write_all(&bytes).map_err(FileError::of("write", &path))?;
        reached(Failpoint::BlockLogSegmentWritten);
        file.sync_all().map_err(FileError::of("flush", &path))?;
        files::sync_dir(&self.dir)?;
        reached(Failpoint::BlockLogSegmentFlushed);
        Counters::add(&counters.fsyncs, 2);
        Counters::add(&counters.bytes, bytes.len() as u64);
        output.open = Some((segment, file));
        Ok(())
    }

    /// Reads and verifies one block.
    pub(super) fn read(&self, height: u64) -> Result<Option<Entry>, ReadError> {
        if height < self.first_height() || height > self.written_height() {
            return Ok(None);
        }
        let located = {
            let blocks = self.blocks.read().unwrap_or_else(PoisonError::into_inner);
            blocks.binary_search_by_key(&height, |block| block.height).ok().map(|at| blocks[at])
        };
        let Some(Located { segment, offset, length, .. }) = located else {
            return Err(self.lost(height));
        };
        let path = self.path(segment);
        let mut bytes = vec![0; usize::try_from(length).expect("an entry fits into memory, it was there")];
        let read = File::open(&path).and_then(|file| file.read_exact_at(&mut bytes, offset));
        let cause = match read {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Cause::MissingEntries,
            Err(error) => return Err(FileError::of("read", &path)(error).into()),
            Ok(()) => match decode_entry(&self.identity, segment, offset, &bytes) {
                Ok(entry) if entry.height == height => return Ok(Some(entry)),
                Ok(_) => Cause::Chain,
                Err(EntryError::Head) => Cause::Head,
                Err(EntryError::Body) => Cause::Body,
                Err(EntryError::Cut) => Cause::MissingEntries,
            },
        };
        Err(ReadError::Damaged { height, path, offset, cause })
    }

    /// The error for a block that was lost before the log was opened.
    fn lost(&self, height: u64) -> ReadError {
        let covers =
            |damage: &&Damage| damage.first <= height && damage.last.is_none_or(|last| height <= last);
        let (segment, offset, cause) = match self.damage.iter().find(covers) {
            Some(damage) => (damage.segment, damage.offset, damage.cause),
            None => (height, 0, Cause::MissingEntries),
        };
        ReadError::Damaged { height, path: self.path(segment), offset, cause }
    }

    fn output(&self) -> MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, first_height: u64) -> PathBuf {
        files::numbered(&self.dir, first_height, EXTENSION)
    }
}
