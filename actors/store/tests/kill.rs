//! A real process is killed while it appends: what it acknowledged is there, and the folder is free again.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use catenary_crypto::sha256;
use catenary_journal::block_log::Identity;
use catenary_journal::journal::{ChainTag, Record};
use catenary_store::block_log::{self, BlockLogWriter};
use catenary_store::journal::{self, JournalWriter};
use catenary_store::{DataDir, OpenDirError};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;

const FOLDER: &str = "CATENARY_STORE_KILL_TEST";
const CHAIN: &str = "one-0123456789abcdef-1";

fn identity() -> Identity {
    Identity::new(CHAIN, sha256(CHAIN.as_bytes())).unwrap()
}

fn record(height: u64) -> Record {
    let chain = ChainTag::of(CHAIN);
    Record { chain, height, kind: 1, payload: vec![height as u8; 700] }
}

#[test]
#[ignore = "the process that the other test starts and kills"]
fn append_for_ever() {
    let data = DataDir::open(std::env::var(FOLDER).expect("started by the other test")).unwrap();
    let (writer, records, _) = JournalWriter::open(&data.journal(), journal::Config::default()).unwrap();
    let logs = BlockLogWriter::start(block_log::Config::default(), |_| ()).unwrap();
    let (log, _) = logs.open(&data.chain(CHAIN).unwrap().blocks(), identity()).unwrap();
    for height in records.last().map_or(1, |record| record.height + 1).. {
        let (sender, result) = mpsc::channel();
        let done = Box::new(move |outcome| sender.send(outcome).unwrap());
        writer.journal().append(vec![record(height)], done).unwrap();
        result.recv().unwrap().unwrap();
        if height >= log.next_height() {
            log.append(log.next_height(), vec![1; 500], vec![2; 50]).unwrap();
        }
        println!("\nacknowledged {height}");
    }
}

/// Runs the process until it has acknowledged `count` more records, kills it and returns the last one.
fn run_and_kill(folder: &Path, count: usize) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "append_for_ever", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let acknowledged = lines.filter_map(|line| line.strip_prefix("acknowledged ")?.parse().ok());
    let last = acknowledged.take(count).last().unwrap();
    assert!(matches!(DataDir::open(folder), Err(OpenDirError::InUse { .. })), "the process holds the lock");
    child.kill().unwrap();
    child.wait().unwrap();
    last
}

#[test]
fn what_a_killed_process_acknowledged_is_there() {
    let folder = tempfile::tempdir().unwrap();
    for count in [1, 3, 40, 7] {
        let acknowledged = run_and_kill(folder.path(), count);
        let data = DataDir::open(folder.path()).unwrap();
        let (_writer, records, report) =
            JournalWriter::open(&data.journal(), journal::Config::default()).unwrap();
        assert!(report.is_clean(), "{report}");
        let last = records.len() as u64;
        assert!(last >= acknowledged, "{acknowledged} acknowledged, {last} found");
        assert_eq!(records, (1..=last).map(record).collect::<Vec<_>>());

        let logs = BlockLogWriter::start(block_log::Config::default(), |_| ()).unwrap();
        let (log, report) = logs.open(&data.chain(CHAIN).unwrap().blocks(), identity()).unwrap();
        assert!(report.is_clean(), "{report}");
        assert!(log.iter(1).all(|entry| entry.unwrap().block == [1; 500]));
    }
}
