//! Appending behind the decision, crashes, damage and a disk that fails.

use super::*;
use crate::files;
use catenary_crypto::sha256;
use catenary_journal::block_log::{Identity, Report};
use std::fs;
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use tempfile::TempDir;

const LAZY: Config =
    Config { segment_bytes: 2000, flush_interval: Duration::from_secs(3600), queue_blocks: 16 };

fn identity(name: &str) -> Identity {
    Identity::new(&format!("{name}-0123456789abcdef-1"), sha256(name.as_bytes())).unwrap()
}

/// What the journal calls the chain: the hash of its id, whatever its genesis.
fn tag(name: &str) -> ChainTag {
    ChainTag(sha256(identity(name).chain_id().as_bytes()))
}

fn start(config: Config) -> (BlockLogWriter, Receiver<Event>) {
    let (sender, events) = mpsc::channel();
    let writer = BlockLogWriter::start(config, move |event| {
        // A test that does not look has dropped its end.
        let _ = sender.send(event);
    });
    (writer.unwrap(), events)
}

fn block(height: u64) -> (Vec<u8>, Vec<u8>) {
    (vec![height as u8; 400], format!("certificate {height}").into_bytes())
}

#[test]
fn a_log_that_begins_behind_a_block_serves_what_is_above_it() {
    let folder = TempDir::new().unwrap();
    let (writer, _events) = start(LAZY);
    let based = || identity("berka").beginning_after(7, sha256(b"block 7"));
    let (log, _) = writer.open(folder.path(), based()).unwrap();
    assert_eq!(
        (log.first_height(), log.next_height(), log.written_height(), log.flushed_height()),
        (8, 8, 7, 7)
    );
    append(&log, 8..=20);
    writer.flush();
    drop(log);
    let (log, report) = writer.open(folder.path(), based()).unwrap();
    assert_eq!(report, Report::default());
    assert_eq!((log.first_height(), log.written_height()), (8, 20));
    assert_eq!([1, 7, 21].map(|height| log.read(height).unwrap()), [None, None, None]);
    assert_eq!(
        log.iter(1).map(|entry| entry.unwrap().height).collect::<Vec<_>>(),
        (8..=20).collect::<Vec<_>>()
    );
}

fn append(log: &BlockLog, heights: impl IntoIterator<Item = u64>) {
    for height in heights {
        let (block, certificate) = block(height);
        log.append(height, block, certificate).unwrap();
    }
}

fn heights(log: &BlockLog, from: u64) -> Vec<u64> {
    log.iter(from)
        .map(|entry| {
            let entry = entry.unwrap();
            assert_eq!((entry.block, entry.certificate), block(entry.height));
            entry.height
        })
        .collect()
}

/// A log of ten blocks in three segments, written and closed.
fn sample() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (writer, _events) = start(LAZY);
    let (log, report) = writer.open(folder.path(), identity("one")).unwrap();
    assert_eq!(report, Report::default());
    append(&log, 1..=10);
    drop(writer);
    assert_eq!(files::list_numbered(folder.path(), "blocks").unwrap().len(), 3);
    folder
}

fn reopen(dir: &Path) -> (BlockLogWriter, BlockLog, Report) {
    let (writer, _events) = start(LAZY);
    let (log, report) = writer.open(dir, identity("one")).unwrap();
    (writer, log, report)
}

#[test]
fn blocks_are_read_by_height_and_flushed_together() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, events) = start(Config { segment_bytes: 1 << 20, ..LAZY });
    let logs: Vec<_> = ["one", "two"]
        .map(|name| writer.open(&folder.path().join(name), identity(name)).unwrap().0)
        .into_iter()
        .collect();
    append(&logs[0], 1..=5);
    append(&logs[1], 1..=3);
    let before = writer.stats();
    writer.flush();
    assert_eq!((logs[0].flushed_height(), logs[1].flushed_height()), (5, 3));
    assert_eq!((heights(&logs[0], 2), heights(&logs[1], 0)), (vec![2, 3, 4, 5], vec![1, 2, 3]));
    assert_eq!(logs[0].read(6), Ok(None));
    assert_eq!(logs[0].read(0), Ok(None));
    // At most the flushes of two new segments and one of each log, however many blocks.
    assert!(writer.stats().fsyncs <= 6 && writer.stats().blocks == 8, "{before:?}");
    let flushed: Vec<_> = events.try_iter().collect();
    let expected = [("one", 5), ("two", 3)].map(|(name, height)| Event::Flushed { chain: tag(name), height });
    assert_eq!(flushed, expected);
}

#[test]
fn a_flush_comes_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, events) = start(Config { flush_interval: Duration::ZERO, ..LAZY });
    let (log, _) = writer.open(folder.path(), identity("one")).unwrap();
    append(&log, 1..=1);
    assert_eq!(events.recv().unwrap(), Event::Flushed { chain: tag("one"), height: 1 });
}

#[test]
fn a_reopened_log_goes_on_where_it_stopped() {
    let folder = sample();
    let (writer, log, report) = reopen(folder.path());
    assert_eq!(report, Report::default());
    assert_eq!((log.next_height(), log.written_height(), log.flushed_height()), (11, 10, 10));
    append(&log, 11..=12);
    drop(writer);
    let (_writer, log, report) = reopen(folder.path());
    assert_eq!(report, Report::default());
    assert_eq!(heights(&log, 1), (1..=12).collect::<Vec<_>>());
}

#[test]
fn every_cut_of_the_last_segment_leaves_whole_blocks_and_can_go_on() {
    let original = sample();
    let last = *files::list_numbered(original.path(), "blocks").unwrap().last().unwrap();
    let length = fs::metadata(files::numbered(original.path(), last, "blocks")).unwrap().len();
    for cut in (0..length).step_by(61) {
        let copy = copy_of(original.path());
        files::truncate(&files::numbered(copy.path(), last, "blocks"), cut).unwrap();
        let (writer, log, report) = reopen(copy.path());
        assert!(report.is_clean(), "cut at {cut}: {report}");
        let kept = log.written_height();
        assert!(kept >= last - 1, "cut at {cut}");
        append(&log, kept + 1..=11);
        drop(writer);
        let (_writer, log, report) = reopen(copy.path());
        assert_eq!(report, Report::default(), "cut at {cut}");
        assert_eq!(heights(&log, 1), (1..=11).collect::<Vec<_>>(), "cut at {cut}");
    }
}

#[test]
fn a_byte_flipped_under_an_open_log_is_named_and_not_served() {
    let folder = sample();
    let (_writer, log, _) = reopen(folder.path());
    let path = files::numbered(folder.path(), 1, "blocks");
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(8).position(|window| window == [2; 8]).unwrap();
    bytes[at + 100] ^= 1;
    fs::write(&path, bytes).unwrap();
    let error = log.read(2).unwrap_err();
    let ReadError::Damaged { height, path: named, offset, cause } = &error else { panic!("{error}") };
    assert_eq!((*height, named, *cause), (2, &path, Cause::Body));
    assert_eq!(*offset as usize + 104, at, "the entry starts with its head");
    assert_eq!(log.read(3).unwrap().unwrap().height, 3);
    assert_eq!(log.iter(1).map(|entry| entry.is_ok()).take(3).collect::<Vec<_>>(), [true, false, true]);
}

#[test]
fn a_byte_flipped_while_closed_is_in_the_report_and_not_served() {
    let folder = sample();
    let path = files::numbered(folder.path(), 1, "blocks");
    let original = fs::read(&path).unwrap();
    for at in (0..original.len()).step_by(97) {
        let mut bytes = original.clone();
        bytes[at] ^= 0x10;
        fs::write(&path, bytes).unwrap();
        let (writer, log, report) = reopen(folder.path());
        assert_eq!(report.damage.len(), 1, "byte {at}: {report}");
        let damage = report.damage[0];
        for height in 1..=10 {
            let is_lost = damage.first <= height && damage.last.is_none_or(|last| height <= last);
            match log.read(height) {
                Ok(entry) => {
                    let entry = entry.unwrap();
                    assert_eq!((entry.block, entry.certificate), block(height), "byte {at}");
                    assert!(!is_lost, "byte {at}");
                }
                Err(ReadError::Damaged { height: named, path: file, offset, .. }) => {
                    assert!(is_lost, "byte {at}");
                    assert_eq!((named, file, offset), (height, path.clone(), damage.offset), "byte {at}");
                }
                Err(error) => panic!("{error}"),
            }
        }
        // The chain can go on behind a damaged block; which is for its owner to decide.
        append(&log, 11..=11);
        writer.flush();
        drop(writer);
        fs::write(&path, &original).unwrap();
        files::truncate(&files::numbered(folder.path(), 9, "blocks"), last_segment_len(folder.path()))
            .unwrap();
    }
}

/// Length of the last segment without height 11.
fn last_segment_len(dir: &Path) -> u64 {
    let bytes = fs::read(files::numbered(dir, 9, "blocks")).unwrap();
    let added = bytes.windows(8).position(|window| window == [11; 8]).unwrap();
    added as u64 - 104
}

#[test]
fn a_log_with_a_damaged_end_refuses_appends() {
    let folder = sample();
    let path = files::numbered(folder.path(), 9, "blocks");
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(8).position(|window| window == [10; 8]).unwrap();
    // In the head of the last entry.
    bytes[at - 50] ^= 1;
    fs::write(&path, bytes).unwrap();
    let (_writer, log, report) = reopen(folder.path());
    assert!(!report.is_clean());
    assert!(matches!(log.read(10), Err(ReadError::Damaged { height: 10, .. })));
    let refused = log.append(log.next_height(), vec![1], vec![2]).unwrap_err();
    assert_eq!(refused.reason, RefusedReason::Failed(BlockLogError::EndUnknown));
}

#[test]
fn only_the_next_height_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let (_writer, log, _) = reopen(folder.path());
    append(&log, 1..=1);
    for actual in [0, 1, 3] {
        let refused = log.append(actual, vec![7], vec![8]).unwrap_err();
        assert_eq!(refused.reason, RefusedReason::Height { expected: 2, actual });
        assert_eq!((refused.block, refused.certificate), (vec![7], vec![8]));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_stops_that_chain_only() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, events) = start(LAZY);
    let create = |path: &Path| {
        if path.ends_with("00000000000000000001.blocks") {
            files::create_new(path)
        } else {
            fs::OpenOptions::new().write(true).open("/dev/full")
        }
    };
    let (full, _) = writer.open_with(&folder.path().join("one"), identity("one"), Box::new(create)).unwrap();
    let (other, _) = writer.open(&folder.path().join("two"), identity("two")).unwrap();
    for height in 1..=6 {
        let (block, certificate) = block(height);
        // The failure may come before the last appends or after them.
        let _ = full.append(height, block, certificate);
    }
    append(&other, 1..=6);
    writer.flush();
    let Some(BlockLogError::File(error)) = full.failure() else { panic!("{:?}", full.failure()) };
    assert!(error.is_disk_full(), "{error}");
    let failed = Event::Failed { chain: tag("one"), error: error.into() };
    assert!(events.try_iter().any(|event| event == failed));
    assert_eq!(other.flushed_height(), 6);
    assert_eq!(heights(&full, 1), (1..=full.flushed_height()).collect::<Vec<_>>());
    assert!(full.append(full.next_height(), vec![], vec![]).is_err());
}

fn copy_of(dir: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for first in files::list_numbered(dir, "blocks").unwrap() {
        let name = |dir: &Path| files::numbered(dir, first, "blocks");
        fs::copy(name(dir), name(copy.path())).unwrap();
    }
    copy
}

#[test]
fn a_log_that_is_only_read_stays_as_it_is() {
    let folder = sample();
    let last = files::numbered(folder.path(), 9, "blocks");
    let whole = fs::read(&last).unwrap();
    // What a crash leaves of the last write.
    fs::write(&last, &whole[..whole.len() - 100]).unwrap();
    let (log, report) = BlockLog::read_only(folder.path(), identity("one")).unwrap();
    assert!(report.torn.is_some() && report.is_clean(), "{report}");
    assert_eq!(heights(&log, 1), (1..=9).collect::<Vec<_>>());
    let (ten, certificate) = block(10);
    let refused = log.append(10, ten, certificate).unwrap_err();
    assert_eq!(refused.reason, RefusedReason::Failed(BlockLogError::Closed));
    assert_eq!(fs::read(&last).unwrap().len(), whole.len() - 100);
}

#[test]
fn a_copy_of_blocks_is_read_back_whole_or_refused() {
    let folder = sample();
    let (log, _) = BlockLog::read_only(folder.path(), identity("one")).unwrap();
    let path = folder.path().join("copy");
    let before = log.read(3).unwrap().unwrap().chain_hash;
    let mut writer = CopyWriter::create(&path, identity("one"), 4, before).unwrap();
    let entries: Vec<_> = log.iter(4).map(|entry| entry.unwrap()).collect();
    entries.iter().for_each(|entry| writer.append(entry).unwrap());
    assert!(!path.exists(), "it has no name before it is whole");
    writer.finish().unwrap();
    let read = |path: &Path| CopyReader::open(path)?.collect::<Result<Vec<_>, _>>();
    assert_eq!(read(&path).unwrap(), entries);

    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(read(&path), Err(CopyError::Cut { path: path.clone(), height: 10 }));
    let mut flipped = bytes.clone();
    flipped[bytes.len() - 200] ^= 1;
    fs::write(&path, &flipped).unwrap();
    assert!(matches!(read(&path), Err(CopyError::Content { .. })));
}
