//! What an engine costs: time of puts, memory of four indexes. Run by hand:
//!
//! ```text
//! cargo test --release -p catenary-store --test index_measure -- --ignored --nocapture --exact fjall   # or sled
//! ```

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use catenary_crypto::sha256;
use catenary_journal::journal::ChainTag;
use catenary_store::index::{Batch, Engine, Index, Space};
use std::path::Path;
use std::time::Instant;

const INDEXES: usize = 4;
const SPACES: usize = 14;
const PUTS: u32 = 100_000;
const BATCH: u32 = 1_000;

/// The process's memory in MiB: (all of it, the part that belongs to no file).
fn memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let field = |name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
    };
    (field("VmRSS:"), field("RssAnon:"))
}

fn put(space: &Space, from: u32) {
    let mut batch = Batch::default();
    for number in from..from + BATCH {
        batch.put(sha256(&number.to_be_bytes()).0, [number as u8; 100]);
    }
    space.apply(batch).unwrap();
}

fn chain(number: usize) -> ChainTag {
    ChainTag(sha256(&number.to_be_bytes()))
}

fn measure(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let dir = |number: usize| folder.path().join(number.to_string());
    println!("{engine:?}: before, {:?} MiB (all, anonymous)", memory());
    let indexes: Vec<_> = (0..INDEXES).map(|number| Index::open(&dir(number), engine).unwrap()).collect();
    let spaces = |index: &Index| (0..SPACES).map(|number| index.space(chain(number)).unwrap()).collect();
    let start = Instant::now();
    let spaces: Vec<Vec<_>> = indexes.iter().map(spaces).collect();
    println!("{engine:?}: {INDEXES} x {SPACES} spaces opened in {:?}, {:?} MiB", start.elapsed(), memory());

    // A million keys in one space, then every space of every index.
    let alone = Index::open(&dir(INDEXES), engine).unwrap();
    let space = alone.space(chain(0)).unwrap();
    for (what, keys) in [("new", 0..1_000_000), ("replaced", 0..500_000)] {
        let start = Instant::now();
        keys.clone().step_by(BATCH as usize).for_each(|from| put(&space, from));
        let rate = u128::from(keys.end) * 1_000 / start.elapsed().as_millis();
        println!("{engine:?}: {rate} puts/s of {what} keys in batches of {BATCH}");
    }
    drop(space);
    close(alone, engine, &dir(INDEXES));

    println!("{engine:?}: before the puts, {:?} MiB", memory());
    let start = Instant::now();
    for from in (0..PUTS).step_by(BATCH as usize) {
        spaces.iter().flatten().for_each(|space| put(space, from));
    }
    println!("{engine:?}: {PUTS} puts into each space in {:?}, {:?} MiB", start.elapsed(), memory());
    assert!(
        spaces.iter().flatten().all(|space| space.get(&sha256(&0u32.to_be_bytes()).0).unwrap().is_some())
    );
    drop(spaces);
    for (number, index) in indexes.into_iter().enumerate() {
        close(index, engine, &dir(number));
    }
}

/// Closes an index and opens it and a space again.
fn close(index: Index, engine: Engine, dir: &Path) {
    let start = Instant::now();
    drop(index);
    let closed = start.elapsed();
    let start = Instant::now();
    let index = Index::open(dir, engine).unwrap();
    let opened = start.elapsed();
    let start = Instant::now();
    index.space(chain(0)).unwrap();
    println!(
        "{engine:?}: closed in {closed:?}, opened in {opened:?}, one space verified in {:?}",
        start.elapsed()
    );
}

#[test]
#[ignore = "a measurement"]
fn fjall() {
    measure(Engine::Fjall);
}

#[test]
#[ignore = "a measurement"]
fn sled() {
    measure(Engine::Sled);
}
