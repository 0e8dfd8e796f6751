//! The writer thread: gathers, writes, flushes, completes.

use super::{Beside, Command, Completion, Config, Counters, JournalError, Shared, Urgency};
use crate::FileError;
use crate::failpoint::{Failpoint, reached};
use crate::files::{self, Create};
use catenary_journal::journal::{JournalId, Next, Record, SegmentSummary, SegmentWriter};
use catenary_platform::{Platform, Wait};
use crossbeam_channel::{Receiver, unbounded};
use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The journal's folder.
pub(super) struct Files {
    dir: PathBuf,
    create: Create,
}

impl Files {
    pub(super) fn new(dir: &Path, create: Create) -> Self {
        Self { dir: dir.to_path_buf(), create }
    }

    pub(super) fn path(&self, number: u64) -> PathBuf {
        files::numbered(&self.dir, number, "journal")
    }

    pub(super) fn list(&self) -> Result<Vec<u64>, FileError> {
        files::list_numbered(&self.dir, "journal")
    }

    /// A new segment with its first bytes, durable with its name: two flushes.
    fn create(&mut self, number: u64, first_bytes: &[u8]) -> Result<File, FileError> {
        let path = self.path(number);
        let mut file = (self.create)(&path).map_err(FileError::of("create", &path))?;
        file.write_all(first_bytes).map_err(FileError::of("write", &path))?;
        reached(Failpoint::JournalSegmentWritten);
        file.sync_all().map_err(FileError::of("flush", &path))?;
        files::sync_dir(&self.dir)?;
        reached(Failpoint::JournalSegmentFlushed);
        Ok(file)
    }
}

pub(super) struct Writer {
    platform: Platform,
    shared: Arc<Shared>,
    config: Config,
    files: Files,
    file: File,
    segment: SegmentWriter,
    current: SegmentSummary,
    closed: Vec<SegmentSummary>,
    buffer: Vec<u8>,
}

/// What became of the queue while the last batch was being flushed.
#[derive(Default)]
struct Group {
    appends: Vec<(Vec<Record>, Completion)>,
    /// What goes to the disk beside which append.
    besides: Vec<(usize, Beside)>,
    bytes: usize,
    /// Whether somebody waits for it.
    urgent: bool,
    closes: bool,
}

impl Group {
    fn add(&mut self, command: Command) {
        match command {
            Command::Append { urgency, records, beside, on_durable } => {
                self.besides.extend(beside.map(|beside| (self.appends.len(), beside)));
                self.urgent |= urgency == Urgency::AtOnce;
                self.bytes += records.iter().map(|record| record.payload.len()).sum::<usize>();
                self.appends.push((records, on_durable));
            }
            Command::Trim => {}
            Command::Close => self.closes = true,
        }
    }
}

impl Writer {
    pub(super) fn start(
        (platform, shared): (Platform, Arc<Shared>),
        config: Config,
        mut files: Files,
        id: JournalId,
        next: &Next,
        mut closed: Vec<SegmentSummary>,
    ) -> Result<Self, FileError> {
        let dropped = take_flushed(&mut closed, &shared);
        let (segment, buffer) = SegmentWriter::create(id, next.number, next.batch, &numbers(&closed));
        let file = files.create(next.number, &buffer)?;
        count_new_segment(&shared.counters, buffer.len());
        let current = SegmentSummary { number: next.number, ..Default::default() };
        let writer = Self { platform, shared, config, files, file, segment, current, closed, buffer };
        writer.delete(&dropped);
        Ok(writer)
    }

    /// Writes one group of what is queued.
    pub(super) fn turn(
        &mut self,
        wait: Wait,
        queue: &Receiver<Command>,
        hurry: &Receiver<()>,
    ) -> ControlFlow<()> {
        let Some(first) = wait.next(queue)? else { return ControlFlow::Continue(()) };
        let mut group = self.gather(first, wait, queue, hurry);
        let result = self.commit(&mut group);
        let closes = group.closes;
        self.complete(group, result);
        if !closes {
            return ControlFlow::Continue(());
        }
        let _ = self.shared.failure.set(JournalError::Closed);
        // Appends that slipped in behind the close are answered, not dropped.
        while let Ok(command) = queue.try_recv() {
            if let Command::Append { on_durable, .. } = command {
                on_durable(self.failure().map_or(Ok(()), Err));
            }
        }
        ControlFlow::Break(())
    }

    /// What is queued, once somebody waits for some of it. Sleeps until then: most of what comes does not wake it.
    fn gather(&self, first: Command, wait: Wait, queue: &Receiver<Command>, hurry: &Receiver<()>) -> Group {
        let mut group = Group::default();
        group.add(first);
        // Either way its time has come; and what was sent before is dealt with by what follows.
        let patience = if group.urgent || group.closes { Duration::ZERO } else { self.config.patience };
        wait.rest(patience, hurry);
        while !group.closes
            && group.bytes < self.config.batch_bytes
            && let Ok(command) = queue.try_recv()
        {
            group.add(command);
        }
        group
    }

    /// One write and one flush for the whole group, with what goes beside it.
    fn commit(&mut self, group: &mut Group) -> Result<(), JournalError> {
        if let Some(failure) = self.failure() {
            return Err(failure);
        }
        let result = self.write(group).map_err(JournalError::File);
        if let Err(failure) = &result {
            let _ = self.shared.failure.set(failure.clone());
        }
        result
    }

    fn write(&mut self, group: &mut Group) -> Result<(), FileError> {
        if self.segment.len() >= self.config.segment_bytes {
            self.rotate()?;
        }
        let batch = self.segment.next_batch();
        let (done, besides) = unbounded();
        let begun = group.besides.len();
        for (append, beside) in std::mem::take(&mut group.besides) {
            let in_batch = !group.appends[append].0.is_empty();
            beside(if in_batch { batch } else { 0 }, done.clone());
        }
        drop(done);
        self.write_records(group)?;
        let ends = std::iter::from_fn(|| self.platform.wait(&besides).ok());
        let ended = ends.collect::<Result<Vec<()>, _>>()?.len();
        if ended == begun {
            reached(Failpoint::JournalBatchDurable);
            return Ok(());
        }
        let given_up = io::Error::other("what goes beside the journal was given up");
        Err(FileError::of("flush", &self.files.path(self.current.number))(given_up))
    }

    fn write_records(&mut self, group: &Group) -> Result<(), FileError> {
        let records = || group.appends.iter().flat_map(|(records, _)| records);
        let dropped = take_flushed(&mut self.closed, &self.shared);
        if records().next().is_none() && dropped.is_empty() {
            return Ok(());
        }
        let live = (!dropped.is_empty()).then(|| numbers(&self.closed));
        self.buffer.clear();
        self.segment
            .append(records(), live.as_deref(), &mut self.buffer)
            .expect("handles refuse records that are too large");
        let path = self.files.path(self.current.number);
        reached(Failpoint::JournalBatchGathered);
        self.file.write_all(&self.buffer).map_err(FileError::of("write", &path))?;
        reached(Failpoint::JournalBatchWritten);
        self.file.sync_data().map_err(FileError::of("flush", &path))?;
        reached(Failpoint::JournalBatchFlushed);

        for record in records() {
            self.current.add(record.chain, record.height);
        }
        let Counters { appends, batches, fsyncs, bytes } = &self.shared.counters;
        Counters::add(appends, group.appends.len() as u64);
        Counters::add(batches, 1);
        Counters::add(fsyncs, 1);
        Counters::add(bytes, self.buffer.len() as u64);
        self.delete(&dropped);
        self.buffer.shrink_to(2 * self.config.batch_bytes);
        Ok(())
    }

    fn rotate(&mut self) -> Result<(), FileError> {
        let number = self.current.number + 1;
        self.closed
            .push(std::mem::replace(&mut self.current, SegmentSummary { number, ..Default::default() }));
        let (journal, batch) = (self.segment.journal(), self.segment.next_batch());
        let (segment, bytes) = SegmentWriter::create(journal, number, batch, &numbers(&self.closed));
        self.file = self.files.create(number, &bytes)?;
        self.segment = segment;
        count_new_segment(&self.shared.counters, bytes.len());
        Ok(())
    }

    /// Deletes segments that the durable inventory no longer lists. A failure costs only space: the next opening tries again.
    fn delete(&self, segments: &[SegmentSummary]) {
        for segment in segments {
            reached(Failpoint::JournalSegmentTrimmed);
            let _ = files::remove(&self.files.path(segment.number));
        }
    }

    fn complete(&self, group: Group, result: Result<(), JournalError>) {
        let mut result = result;
        for (_, on_durable) in group.appends {
            let given = result.clone();
            if catch_unwind(AssertUnwindSafe(|| on_durable(given))).is_err() {
                let _ = self.shared.failure.set(JournalError::CompletionPanicked);
                result = self.failure().map_or(Ok(()), Err);
            }
        }
    }

    fn failure(&self) -> Option<JournalError> {
        self.shared.failure.get().cloned()
    }
}

fn count_new_segment(counters: &Counters, bytes: usize) {
    Counters::add(&counters.fsyncs, 2);
    Counters::add(&counters.bytes, bytes as u64);
}

fn numbers(segments: &[SegmentSummary]) -> Vec<u64> {
    segments.iter().map(|segment| segment.number).collect()
}

/// Takes out the closed segments that nobody needs any more.
fn take_flushed(closed: &mut Vec<SegmentSummary>, shared: &Shared) -> Vec<SegmentSummary> {
    let trims = shared.trims();
    closed
        .extract_if(.., |segment| {
            segment.unresolved &= !trims.released.contains(&segment.number);
            segment.is_flushed(&trims.flushed)
        })
        .collect()
}
