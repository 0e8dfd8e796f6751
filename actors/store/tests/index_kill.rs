//! A real process is killed while it writes an index: what is found is what one of its batches left.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use catenary_crypto::sha256;
use catenary_journal::journal::ChainTag;
use catenary_store::index::{Batch, Engine, Index, Space};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

const FOLDER: &str = "CATENARY_STORE_INDEX_KILL_TEST";
const SLED: &str = "CATENARY_STORE_INDEX_KILL_TEST_SLED";
const KEYS: u64 = 100;

fn open(folder: &Path, engine: Engine) -> (Index, bool) {
    let (index, damage) = Index::open_or_recreate(&folder.join("index"), engine).unwrap();
    (index, damage.is_some())
}

fn space(index: &Index) -> (Space, bool) {
    let chain = ChainTag(sha256(b"one"));
    match index.space(chain) {
        Ok(space) => (space, false),
        Err(_) => {
            index.delete_space(chain).unwrap();
            (index.space(chain).unwrap(), true)
        }
    }
}

fn height(space: &Space) -> u64 {
    space.get(b"height").unwrap().map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().unwrap()))
}

/// The batch of a height: large enough that a few dozen fill a table in memory.
fn batch(height: u64) -> Batch {
    let mut batch = Batch::default();
    for number in 0..8 {
        let value: Vec<u8> = height.to_be_bytes().repeat(512);
        batch.put(((height * 8 + number) % KEYS).to_be_bytes(), value);
    }
    batch.delete((height * 31 % KEYS).to_be_bytes());
    batch.put("height", height.to_be_bytes());
    batch
}

/// What the batches up to a height leave.
fn expected(height: u64) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut entries = BTreeMap::new();
    for height in 1..=height {
        for number in 0..8 {
            let value = height.to_be_bytes().repeat(512);
            entries.insert(((height * 8 + number) % KEYS).to_be_bytes().to_vec(), value);
        }
        entries.remove((height * 31 % KEYS).to_be_bytes().as_slice());
        entries.insert(b"height".to_vec(), height.to_be_bytes().to_vec());
    }
    entries
}

#[test]
#[ignore = "the process that the other test starts and kills"]
fn write_for_ever() {
    let folder = std::env::var(FOLDER).expect("started by the other test");
    let engine = if std::env::var(SLED).is_ok() { Engine::Sled } else { Engine::Fjall };
    let (index, _) = open(Path::new(&folder), engine);
    let (space, _) = space(&index);
    for height in height(&space) + 1.. {
        space.apply(batch(height)).unwrap();
        println!("\napplied {height}");
    }
}

/// Runs the process until it has applied `count` more batches, kills it and returns the height of the last one.
fn run_and_kill(folder: &Path, engine: Engine, count: usize) -> u64 {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "write_for_ever", "--nocapture"]);
    command.env(FOLDER, folder).stdout(Stdio::piped());
    if engine == Engine::Sled {
        command.env(SLED, "");
    }
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let applied = lines.filter_map(|line| line.strip_prefix("applied ")?.parse().ok());
    let last = applied.take(count).last().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    last
}

#[test]
fn a_killed_process_leaves_what_one_of_its_batches_left() {
    for engine in [Engine::Fjall, Engine::Sled] {
        let folder = tempfile::tempdir().unwrap();
        for count in [1, 3, 250, 70, 10] {
            let applied = run_and_kill(folder.path(), engine, count);
            let (index, recreated) = open(folder.path(), engine);
            let (space, rebuilt) = space(&index);
            let height = height(&space);
            let found: BTreeMap<_, _> = space.scan(b"").collect::<Result<_, _>>().unwrap();
            assert!(found == expected(height), "{engine:?}: {height} of {applied}");
            if engine == Engine::Fjall {
                assert!(!recreated && !rebuilt, "killed at {applied}");
                assert!(height >= applied, "{applied} applied, {height} found");
            }
        }
    }
}
