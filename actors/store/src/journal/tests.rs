//! Group commit, crashes, trimming and a disk that fails.

use super::*;
use crate::OpenError;
use crate::files;
use catenary_crypto::sha256;
use catenary_journal::journal::{Cause, Report};
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use tempfile::TempDir;

fn chain(name: &str) -> ChainTag {
    ChainTag(sha256(name.as_bytes()))
}

fn record(name: &str, height: u64, payload: &[u8]) -> Record {
    Record { chain: chain(name), height, kind: 1, payload: payload.to_vec() }
}

fn open(dir: &Path, config: Config) -> (JournalWriter, Vec<Record>, Report) {
    JournalWriter::open(dir, config).unwrap()
}

/// Appends and waits for the completion.
fn append(journal: &Journal, records: Vec<Record>) -> Result<(), JournalError> {
    let (sender, result) = mpsc::channel();
    journal.append(records, Box::new(move |outcome| sender.send(outcome).unwrap())).unwrap();
    result.recv().unwrap()
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let numbers = files::list_numbered(dir, "journal").unwrap();
    numbers.into_iter().map(|number| files::numbered(dir, number, "journal")).collect()
}

/// A journal whose every batch fills a segment.
const TINY: Config =
    Config { segment_bytes: 500, batch_bytes: 1 << 20, queue_appends: 64, patience: Duration::ZERO };

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn what_was_acknowledged_is_there_after_a_crash() {
    let folder = folder();
    let (writer, found, report) = open(folder.path(), Config::default());
    assert_eq!((found, report), (vec![], Report::default()));
    let first = vec![record("one", 1, b"proposal"), record("two", 5, b"vote")];
    append(&writer.journal(), first.clone()).unwrap();
    append(&writer.journal(), vec![record("one", 2, b"")]).unwrap();

    // The files as another process would find them if this one died now.
    let copy = copy_of(folder.path());
    let (_writer, found, report) = open(copy.path(), Config::default());
    assert_eq!(found, [first, vec![record("one", 2, b"")]].concat());
    assert_eq!(report, Report::default());
}

#[test]
fn every_cut_of_the_files_leaves_whole_appends_and_can_go_on() {
    let folder = folder();
    let (writer, ..) = open(folder.path(), Config::default());
    let appends = [vec![record("one", 1, b"a"), record("one", 1, b"b")], vec![record("one", 2, b"c")]];
    for records in &appends {
        append(&writer.journal(), records.clone()).unwrap();
    }
    let length = fs::metadata(&segments(folder.path())[0]).unwrap().len();
    for cut in (0..length).step_by(13) {
        let copy = copy_of(folder.path());
        files::truncate(&segments(copy.path())[0], cut).unwrap();
        let (writer, found, report) = open(copy.path(), Config::default());
        assert!((0..=2).any(|kept| found == appends[..kept].concat()), "cut at {cut}");
        assert!(report.is_clean(), "cut at {cut}: {report}");
        append(&writer.journal(), vec![record("one", 3, b"new")]).unwrap();
        drop(writer);
        let (_writer, again, report) = open(copy.path(), Config::default());
        assert_eq!(again, [found, vec![record("one", 3, b"new")]].concat(), "cut at {cut}");
        assert_eq!(report, Report::default(), "cut at {cut}");
    }
}

#[test]
fn a_flipped_byte_is_named_at_every_start_and_never_served() {
    let folder = folder();
    let (writer, ..) = open(folder.path(), Config::default());
    append(&writer.journal(), vec![record("one", 4, b"first"), record("two", 9, b"second")]).unwrap();
    drop(writer);
    let path = &segments(folder.path())[0];
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.windows(6).position(|window| window == b"second").unwrap();
    bytes[at] ^= 4;
    fs::write(path, bytes).unwrap();
    for _ in 0..2 {
        let (writer, found, report) = open(folder.path(), Config::default());
        assert_eq!(found, [record("one", 4, b"first")]);
        assert_eq!(report.damage[0].cause, Cause::Payload);
        assert!(report.is_suspect(chain("two"), 8) && !report.is_suspect(chain("two"), 9));
        assert!(!report.is_suspect(chain("one"), 0));
        append(&writer.journal(), vec![]).unwrap();
    }
    let (writer, ..) = open(folder.path(), Config::default());
    writer.journal().trim(chain("one"), 4);
    writer.journal().trim(chain("two"), 9);
    append(&writer.journal(), vec![]).unwrap();
    drop(writer);
    let (.., report) = open(folder.path(), Config::default());
    assert_eq!(report, Report::default(), "the height is flushed elsewhere, the segment is gone");
}

#[test]
fn a_missing_segment_is_reported_until_it_is_released() {
    let folder = folder();
    let (writer, ..) = open(folder.path(), TINY);
    for height in 1..=3 {
        append(&writer.journal(), vec![record("one", height, &[1; 300])]).unwrap();
    }
    drop(writer);
    fs::remove_file(&segments(folder.path())[1]).unwrap();
    for _ in 0..2 {
        let (writer, _, report) = open(folder.path(), TINY);
        assert_eq!((report.damage[0].segment, report.damage[0].cause), (2, Cause::MissingSegment));
        writer.journal().trim(chain("one"), u64::MAX);
        append(&writer.journal(), vec![]).unwrap();
    }
    let (writer, ..) = open(folder.path(), TINY);
    writer.journal().release(2);
    append(&writer.journal(), vec![]).unwrap();
    drop(writer);
    assert_eq!(open(folder.path(), TINY).2, Report::default());
}

#[test]
fn many_producers_share_flushes_and_completions_keep_their_order() {
    let folder = folder();
    let (writer, ..) = open(folder.path(), Config::default());
    let before = writer.journal().stats();
    // The first completion holds the writer until everyone has queued, so that merging does not depend on timing.
    let (hold, held) = mpsc::channel::<()>();
    let first = vec![record("one", 1, b"")];
    writer.journal().append(first, Box::new(move |_| held.recv().unwrap())).unwrap();
    let (sender, order) = mpsc::channel();
    std::thread::scope(|scope| {
        for producer in 0..8 {
            let (journal, sender) = (writer.journal(), sender.clone());
            scope.spawn(move || {
                for number in 0..50 {
                    let sender = sender.clone();
                    let records = vec![record(&producer.to_string(), number, b"vote")];
                    let done = move |result: Result<(), _>| sender.send((producer, number, result)).unwrap();
                    journal.append(records, Box::new(done)).unwrap();
                }
            });
        }
    });
    hold.send(()).unwrap();
    drop(sender);
    let done: Vec<_> = order.iter().collect();
    assert_eq!(done.len(), 400);
    for producer in 0..8 {
        let own: Vec<_> = done.iter().filter(|(from, ..)| *from == producer).map(|done| done.1).collect();
        assert_eq!(own, (0..50).collect::<Vec<_>>());
    }
    assert!(done.iter().all(|(.., result)| result.is_ok()));
    drop(writer.journal());
    let stats = writer.journal().stats();
    assert_eq!(stats.appends - before.appends, 401);
    assert_eq!(stats.fsyncs - before.fsyncs, stats.batches - before.batches);
    assert!(stats.batches - before.batches <= 3, "{stats:?}");
}

#[test]
fn a_segment_goes_once_all_its_chains_are_flushed_and_not_before() {
    let folder = folder();
    let (writer, ..) = open(folder.path(), TINY);
    let journal = writer.journal();
    append(&journal, vec![record("one", 1, &[1; 300]), record("two", 1, b"")]).unwrap();
    append(&journal, vec![record("one", 2, &[2; 300])]).unwrap();
    append(&journal, vec![record("one", 3, &[3; 300])]).unwrap();
    journal.trim(chain("one"), 2);
    append(&journal, vec![record("one", 4, b"")]).unwrap();
    // The first is held by chain two, the second is gone, the third and the open one stay.
    let number = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap();
    assert_eq!(segments(folder.path()).iter().map(number).collect::<Vec<_>>(), [1, 3, 4]);
    drop(writer);

    let (writer, found, report) = open(folder.path(), TINY);
    assert_eq!(found.iter().map(|record| record.height).collect::<Vec<_>>(), [1, 1, 3, 4]);
    assert_eq!(report, Report::default());
    writer.journal().trim(chain("one"), 4);
    writer.journal().trim(chain("two"), 1);
    append(&writer.journal(), vec![]).unwrap();
    assert_eq!(segments(folder.path()).len(), 1);
    drop(writer);
    assert_eq!(open(folder.path(), TINY).2, Report::default());
}

#[test]
fn what_nobody_waits_for_is_written_with_what_somebody_does() {
    let folder = folder();
    let (writer, ..) = open(folder.path(), Config { patience: Duration::MAX / 4, ..Config::default() });
    let (journal, before) = (writer.journal(), writer.journal().stats());
    let records: Vec<_> = (1..=50).map(|height| record("one", height, b"")).collect();
    let (sender, done) = mpsc::channel();
    for record in &records {
        let (sender, height) = (sender.clone(), record.height);
        let note = Box::new(move |outcome: Result<(), _>| sender.send((height, outcome)).unwrap());
        journal.try_append(Urgency::Later, vec![record.clone()], note).unwrap();
        // The writer has seen the first one before the next comes.
        while height == 1 && !journal.commands.is_empty() {
            std::thread::yield_now();
        }
    }
    append(&journal, vec![record("one", 51, b"")]).unwrap();
    assert_eq!(done.try_iter().map(|(height, _)| height).collect::<Vec<_>>(), (1..=50).collect::<Vec<_>>());
    let after = journal.stats();
    assert_eq!((after.batches - before.batches, after.fsyncs - before.fsyncs), (1, 1));
    drop(writer);
    assert_eq!(open(folder.path(), Config::default()).1, [records, vec![record("one", 51, b"")]].concat());
}

#[test]
fn what_nobody_waits_for_is_written_in_the_end() {
    let folder = folder();
    let (writer, ..) =
        open(folder.path(), Config { patience: Duration::from_millis(1), ..Config::default() });
    let (sender, done) = mpsc::channel();
    let note = Box::new(move |outcome: Result<(), _>| sender.send(outcome).unwrap());
    writer.journal().try_append(Urgency::Later, vec![record("one", 1, b"")], note).unwrap();
    assert_eq!(done.recv().unwrap(), Ok(()));
    drop(writer);

    let (writer, ..) = open(folder.path(), Config { patience: Duration::MAX / 4, ..Config::default() });
    writer.journal().try_append(Urgency::Later, vec![record("one", 2, b"")], Box::new(|_| ())).unwrap();
    drop(writer);
    let heights: Vec<_> = open(folder.path(), Config::default()).1.iter().map(|one| one.height).collect();
    assert_eq!(heights, [1, 2], "a journal that is closed writes what is queued");
}

#[test]
fn a_queue_that_fills_up_needs_no_patience() {
    let folder = folder();
    let config = Config { queue_appends: 8, patience: Duration::MAX / 4, ..Config::default() };
    let (writer, ..) = open(folder.path(), config);
    let (sender, done) = mpsc::channel();
    for height in 1..=100 {
        let sender = sender.clone();
        let mut note: Completion = Box::new(move |outcome| sender.send(outcome).unwrap());
        let record = record("one", height, b"");
        while let Err(refused) = writer.journal().try_append(Urgency::Later, vec![record.clone()], note) {
            assert_eq!(refused.reason, RefusedReason::Busy);
            note = refused.on_durable;
        }
    }
    assert_eq!(done.recv().unwrap(), Ok(()));
}

#[test]
fn a_full_queue_gives_everything_back() {
    let folder = folder();
    let (writer, ..) = open(folder.path(), Config { queue_appends: 1, ..Config::default() });
    let journal = writer.journal();
    let (hold, held) = mpsc::channel::<()>();
    let (started, running) = mpsc::channel();
    let block = move |_| {
        started.send(()).unwrap();
        held.recv().unwrap();
    };
    journal.append(vec![record("one", 1, b"")], Box::new(block)).unwrap();
    running.recv().unwrap();
    journal.try_append(Urgency::AtOnce, vec![record("one", 2, b"")], Box::new(|_| ())).unwrap();
    let refused =
        journal.try_append(Urgency::AtOnce, vec![record("one", 3, b"")], Box::new(|_| ())).unwrap_err();
    assert_eq!((refused.reason, refused.records), (RefusedReason::Busy, vec![record("one", 3, b"")]));
    hold.send(()).unwrap();
    append(&journal, vec![record("one", 3, b"")]).unwrap();
}

#[test]
fn a_record_beyond_the_limit_is_refused_at_once() {
    let folder = folder();
    let (writer, ..) = open(folder.path(), Config::default());
    let records = vec![record("one", 1, &vec![0; PAYLOAD_BYTES_MAX + 1])];
    let refused = writer.journal().append(records, Box::new(|_| ())).unwrap_err();
    assert!(matches!(refused.reason, RefusedReason::TooLarge(_)));
    append(&writer.journal(), vec![record("one", 1, b"fits")]).unwrap();
}

#[test]
fn a_closed_journal_refuses() {
    let folder = folder();
    let (writer, ..) = open(folder.path(), Config::default());
    let journal = writer.journal();
    drop(writer);
    let refused = journal.append(vec![record("one", 1, b"")], Box::new(|_| ())).unwrap_err();
    assert_eq!(refused.reason, RefusedReason::Failed(JournalError::Closed));
}

#[test]
fn a_panicking_completion_stops_the_journal_and_not_the_thread() {
    let folder = folder();
    let (writer, ..) = open(folder.path(), Config::default());
    writer.journal().append(vec![record("one", 1, b"")], Box::new(|_| panic!("a test"))).unwrap();
    let (sender, result) = mpsc::channel();
    let done = Box::new(move |outcome| sender.send(outcome).unwrap());
    let outcome = match writer.journal().append(vec![record("one", 2, b"")], done) {
        Ok(()) => result.recv().unwrap(),
        Err(refused) => Err(match refused.reason {
            RefusedReason::Failed(error) => error,
            other => panic!("{other}"),
        }),
    };
    assert_eq!(outcome, Err(JournalError::CompletionPanicked));
}

/// Opens a journal whose second segment is `device`, and fills the first.
#[cfg(target_os = "linux")]
fn with_second_segment_on(device: &'static str, dir: &Path) -> JournalWriter {
    let create = move |path: &Path| {
        if files::numbered(Path::new(""), 1, "journal").file_name() == path.file_name() {
            files::create_new(path)
        } else {
            OpenOptions::new().write(true).open(device)
        }
    };
    let (writer, ..) = JournalWriter::open_with(dir, TINY, Box::new(create)).unwrap();
    append(&writer.journal(), vec![record("one", 1, &[1; 300])]).unwrap();
    writer
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named_and_final() {
    let folder = folder();
    let writer = with_second_segment_on("/dev/full", folder.path());
    let error = append(&writer.journal(), vec![record("one", 2, b"")]).unwrap_err();
    let JournalError::File(file) = &error else { panic!("{error}") };
    assert!(file.is_disk_full(), "{file}");
    assert!(error.to_string().starts_with("the disk is full: cannot write"), "{error}");
    // Not retried, also not once there is room again.
    let refused = writer.journal().append(vec![record("one", 2, b"")], Box::new(|_| ())).unwrap_err();
    assert_eq!(refused.reason, RefusedReason::Failed(error.clone()));
    assert_eq!(writer.journal().failure(), Some(error));
    drop(writer);
    assert_eq!(open(folder.path(), TINY).1, [record("one", 1, &[1; 300])]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_failed_flush_acknowledges_nothing_and_is_final() {
    let folder = folder();
    // Takes every write and refuses to flush.
    let writer = with_second_segment_on("/dev/null", folder.path());
    let before = writer.journal().stats();
    let error = append(&writer.journal(), vec![record("one", 2, b"")]).unwrap_err();
    assert!(matches!(&error, JournalError::File(FileError::Failed { action: "flush", .. })), "{error}");
    assert_eq!(writer.journal().stats().appends, before.appends);
    assert_eq!(writer.journal().failure(), Some(error));
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error() {
    let folder = folder();
    let file = folder.path().join("file");
    File::create(&file).unwrap();
    let error = JournalWriter::open(&file.join("journal"), Config::default()).unwrap_err();
    assert!(matches!(error, OpenError::File(FileError::Failed { action: "create", .. })), "{error}");
}

fn copy_of(dir: &Path) -> TempDir {
    let copy = folder();
    for path in segments(dir) {
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    copy
}
