//! The guard's file on disk: one thread per node with group commit, like the journal.
//!
//! It holds, for ever, the newest mark of each chain: the highest message that this node signed there. The journal holds
//! the messages themselves. A mark goes to the disk at the same time as the journal's records, with the number of their
//! batch, and nothing is sent before both are there; so after a crash a mark whose batch the journal lacks was never sent,
//! and is forgotten.

use crate::failpoint::{Failpoint, reached};
use crate::files;
use crate::threads;
use crate::{FileError, OpenError};
use catenary_journal::guard::{self, MARK_LEN, Marked, Marks};
use catenary_journal::journal::ChainTag;
use catenary_platform::{Platform, Running, Wait};
use crossbeam_channel::{Receiver, Sender};
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Room for records behind those that a file begins with, in bytes. It is there from the beginning, so that a flush need not
/// wait until the file has grown.
const ROOM: usize = 1 << 20;

/// Runs on the guard's thread once the mark is flushed, or with the error; then every later one fails too.
pub type Completion = Box<dyn FnOnce(Result<(), FileError>) + Send>;

/// What was there when the guard was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The newest marks that read.
    pub marks: Marks,
    /// Whether every record reads. A file that was not there has none: what it holds now was written since.
    pub complete: bool,
    /// Records forgotten because what they stand for was never sent.
    pub unsent: usize,
}

/// Reads a guard that nobody writes, and changes nothing. `journal_end` is as for [`GuardWriter::open`].
pub fn read(path: &Path, journal_end: Option<u64>) -> Result<Found, OpenError> {
    if !path.exists() {
        return Ok(Found { marks: Marks::new(), complete: true, unsent: 0 });
    }
    let scan = guard::scan(&files::read(path)?, journal_end)?;
    Ok(Found { marks: scan.marks, complete: scan.complete, unsent: scan.unsent })
}

/// Owns the thread; dropping it writes what is queued.
#[derive(Debug)]
pub struct GuardWriter {
    guard: Guard,
    running: Option<Running>,
}

/// Raises marks; cheap to clone.
#[derive(Clone, Debug)]
pub struct Guard {
    commands: Sender<Command>,
    shared: Arc<Shared>,
    platform: Platform,
}

/// What handles and thread both see.
#[derive(Debug, Default)]
struct Shared {
    marks: Mutex<Marks>,
    /// Final: the kernel may have dropped what was written before.
    failure: OnceLock<FileError>,
    fsyncs: AtomicU64,
}

enum Command {
    Raise { chain: ChainTag, marked: Marked, on_durable: Completion },
    Close,
}

impl GuardWriter {
    /// Opens the file, creating it if need be, and says what was in it. A damaged file is written anew with what reads.
    /// `journal_end` is the number of the first batch that the journal does not have, if the journal is whole.
    pub fn open(path: &Path, journal_end: Option<u64>) -> Result<(Self, Found), OpenError> {
        Self::open_on(&Platform::default(), path, journal_end, |_| ())
    }

    /// As [`Self::open`], on this platform. `amend` may change what was found before it is written anew.
    pub fn open_on(
        platform: &Platform,
        path: &Path,
        journal_end: Option<u64>,
        amend: impl FnOnce(&mut Found),
    ) -> Result<(Self, Found), OpenError> {
        let mut found = read(path, journal_end)?;
        amend(&mut found);
        let shared = Arc::new(Shared { marks: Mutex::new(found.marks.clone()), ..Shared::default() });
        let file = begin(path, &found.marks)?;
        let mut writer = Writer { file, path: path.to_path_buf(), room: ROOM, shared: shared.clone() };
        // Each chain has at most a few marks under way, which bounds the queue.
        let (commands, queue) = crossbeam_channel::unbounded();
        let running = threads::start(platform, "guard", move |wait| writer.turn(wait, &queue))?;
        let guard = Guard { commands, shared, platform: platform.clone() };
        Ok((Self { guard, running: Some(running) }, found))
    }

    /// A handle to raise marks with.
    pub fn guard(&self) -> Guard {
        self.guard.clone()
    }
}

impl Drop for GuardWriter {
    fn drop(&mut self) {
        // A send fails only if the thread is gone already.
        let _ = self.guard.commands.send(Command::Close);
        self.running.take().into_iter().for_each(Running::join);
    }
}

impl Guard {
    /// Queues a mark; never waits.
    pub fn raise(&self, chain: ChainTag, marked: Marked, on_durable: Completion) {
        if let Err(refused) = self.commands.send(Command::Raise { chain, marked, on_durable })
            && let Command::Raise { on_durable, .. } = refused.0
        {
            on_durable(Err(closed()));
        }
    }

    /// Raises marks and waits until all of them are on the disk. Not for actors.
    pub fn raise_and_wait(
        &self,
        marks: impl IntoIterator<Item = (ChainTag, Marked)>,
    ) -> Result<(), FileError> {
        let (done, ended) = crossbeam_channel::unbounded();
        let mut waiting = 0;
        for (chain, marked) in marks {
            let done = done.clone();
            // Whoever asked waits below.
            self.raise(chain, marked, Box::new(move |result| drop(done.send(result))));
            waiting += 1;
        }
        (0..waiting).try_for_each(|_| self.platform.wait(&ended).unwrap_or_else(|_| Err(closed())))
    }

    /// The newest mark of a chain that is on the disk.
    pub fn newest(&self, chain: ChainTag) -> Option<[u8; MARK_LEN]> {
        self.shared.marks().get(&chain).copied()
    }

    /// Why the guard takes no more marks, if it does not.
    pub fn failure(&self) -> Option<FileError> {
        self.shared.failure.get().cloned()
    }

    /// Flushes so far.
    pub fn fsyncs(&self) -> u64 {
        self.shared.fsyncs.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn marks(&self) -> MutexGuard<'_, Marks> {
        // Every change under the lock is a single insertion, so a panicking holder leaves it whole.
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn closed() -> FileError {
    let gone = std::io::Error::new(std::io::ErrorKind::BrokenPipe, "the guard is closed");
    FileError::of("write", Path::new("guard"))(gone)
}

/// A file with these marks and room for more, ready for the next.
fn begin(path: &Path, marks: &Marks) -> Result<File, FileError> {
    let mut bytes = guard::file(marks);
    let used = bytes.len();
    bytes.resize(used + ROOM, 0);
    files::replace(path, &bytes)?;
    reached(Failpoint::GuardFileReplaced);
    let mut file = OpenOptions::new().write(true).open(path).map_err(FileError::of("open", path))?;
    file.seek(SeekFrom::Start(used as u64)).map_err(FileError::of("seek in", path))?;
    Ok(file)
}

struct Writer {
    path: PathBuf,
    file: File,
    /// Bytes that are there for further records.
    room: usize,
    shared: Arc<Shared>,
}

impl Writer {
    /// Writes what is queued.
    fn turn(&mut self, wait: Wait, queue: &Receiver<Command>) -> ControlFlow<()> {
        let Some(first) = wait.next(queue)? else { return ControlFlow::Continue(()) };
        let mut closes = false;
        let mut raised = Vec::new();
        let mut completions = Vec::new();
        for command in std::iter::once(first).chain(queue.try_iter()) {
            match command {
                Command::Raise { chain, marked, on_durable } => {
                    raised.push((chain, marked));
                    completions.push(on_durable);
                }
                Command::Close => closes = true,
            }
        }
        if let Err(error) = self.write(&raised) {
            self.shared.failure.get_or_init(|| error);
        }
        for on_durable in completions {
            on_durable(self.shared.failure.get().cloned().map_or(Ok(()), Err));
        }
        if closes { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn write(&mut self, raised: &[(ChainTag, Marked)]) -> Result<(), FileError> {
        if self.shared.failure.get().is_some() || raised.is_empty() {
            return Ok(());
        }
        let mut marks = self.shared.marks().clone();
        let records: Vec<_> =
            raised.iter().flat_map(|(chain, marked)| guard::record(*chain, marked)).collect();
        if records.len() > self.room {
            // Only what is acknowledged: what is being raised may yet turn out to be unsent.
            (self.file, self.room) = (begin(&self.path, &marks)?, ROOM);
            self.shared.fsyncs.fetch_add(2, Ordering::Relaxed);
        }
        reached(Failpoint::GuardBatchGathered);
        self.file.write_all(&records).map_err(FileError::of("write", &self.path))?;
        reached(Failpoint::GuardBatchWritten);
        self.file.sync_data().map_err(FileError::of("flush", &self.path))?;
        reached(Failpoint::GuardBatchFlushed);
        self.room = self.room.saturating_sub(records.len());
        self.shared.fsyncs.fetch_add(1, Ordering::Relaxed);
        for (chain, marked) in raised {
            guard::raise(&mut marks, *chain, marked.mark);
        }
        *self.shared.marks() = marks;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use catenary_crypto::sha256;
    use catenary_journal::guard::RECORD_LEN;
    use std::sync::mpsc;

    fn chain(number: u8) -> ChainTag {
        ChainTag(sha256(&[number]))
    }

    fn marks<const N: usize>(marks: [(u8, u8); N]) -> Marks {
        marks.map(|(number, mark)| (chain(number), [mark; MARK_LEN])).into()
    }

    fn raise(guard: &Guard, number: u8, mark: u8) {
        let (done, wait) = mpsc::channel();
        let marked = Marked { mark: [mark; MARK_LEN], batch: u64::from(mark) };
        guard.raise(chain(number), marked, Box::new(move |result| done.send(result).unwrap()));
        wait.recv().unwrap().unwrap();
    }

    #[test]
    fn marks_survive_and_never_fall() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("guard");
        let (writer, found) = GuardWriter::open(&path, None).unwrap();
        assert_eq!(found, Found { marks: Marks::new(), complete: true, unsent: 0 });
        for (number, mark) in [(1, 5), (2, 7), (1, 3), (1, 6)] {
            raise(&writer.guard(), number, mark);
        }
        let expected = marks([(1, 6), (2, 7)]);
        // As another process would find it if this one died now.
        let copy = folder.path().join("copy");
        std::fs::copy(&path, &copy).unwrap();
        let (_writer, found) = GuardWriter::open(&copy, None).unwrap();
        assert_eq!(found, Found { marks: expected, complete: true, unsent: 0 });
    }

    #[test]
    fn a_file_that_has_grown_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("guard");
        let (writer, _) = GuardWriter::open(&path, None).unwrap();
        let many = ROOM / RECORD_LEN + 2;
        for at in 0..many {
            let mut mark = [0; MARK_LEN];
            mark[..8].copy_from_slice(&(at as u64).to_be_bytes());
            writer.guard().raise(chain(1), Marked { mark, batch: 0 }, Box::new(|result| result.unwrap()));
        }
        raise(&writer.guard(), 1, 255);
        assert!(std::fs::metadata(&path).unwrap().len() < 2 * ROOM as u64);
        drop(writer);
        assert_eq!(GuardWriter::open(&path, None).unwrap().1.marks, marks([(1, 255)]));
    }

    #[test]
    fn damage_is_reported_once_and_what_reads_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("guard");
        let (writer, _) = GuardWriter::open(&path, None).unwrap();
        (1..=2).for_each(|number| raise(&writer.guard(), number, number));
        drop(writer);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[guard::HEADER_LEN + 40] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let (writer, found) = GuardWriter::open(&path, None).unwrap();
        assert_eq!(found, Found { marks: marks([(2, 2)]), complete: false, unsent: 0 });
        drop(writer);
        assert!(GuardWriter::open(&path, None).unwrap().1.complete);
    }

    #[test]
    fn what_was_never_sent_is_forgotten_for_good() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("guard");
        let (writer, _) = GuardWriter::open(&path, None).unwrap();
        (5..=6).for_each(|mark| raise(&writer.guard(), 1, mark));
        drop(writer);
        let (writer, found) = GuardWriter::open(&path, Some(6)).unwrap();
        assert_eq!(found, Found { marks: marks([(1, 5)]), complete: true, unsent: 1 });
        drop(writer);
        assert_eq!(GuardWriter::open(&path, None).unwrap().1.marks, marks([(1, 5)]));
    }

    #[test]
    fn what_counted_once_counts_whatever_becomes_of_the_journal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("guard");
        let (writer, _) = GuardWriter::open(&path, None).unwrap();
        raise(&writer.guard(), 1, 6);
        drop(writer);
        // The journal is lost, and another one comes to where the batch was.
        for journal_end in [None, Some(6)] {
            let (_writer, found) = GuardWriter::open(&path, journal_end).unwrap();
            assert_eq!((found.marks, found.unsent), (marks([(1, 6)]), 0), "it ends at {journal_end:?}");
        }
    }
}
