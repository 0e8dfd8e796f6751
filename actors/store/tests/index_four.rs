//! Four indexes in one process, as four nodes have them, written and read at once: all come to an end, and close.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use catenary_crypto::sha256;
use catenary_journal::journal::ChainTag;
use catenary_store::index::{Batch, Engine, Index, Space};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const INDEXES: usize = 4;
const SPACES: usize = 14;
const ROUNDS: u32 = 24;
const KEYS_PER_BATCH: u32 = 200;

/// Far beyond what it takes. An index that waits for ever shows as a failure, not as a test that never ends.
const DEADLINE: Duration = Duration::from_secs(300);

fn key(round: u32, number: u32) -> [u8; 32] {
    // Comes back every eight rounds, so that values are read, replaced and found in files.
    sha256(&[(round % 8).to_be_bytes(), number.to_be_bytes()].concat()).0
}

fn write(space: &Space, round: u32) {
    let mut batch = Batch::default();
    for number in 0..KEYS_PER_BATCH {
        batch.put(key(round, number), [round as u8; 200]);
    }
    space.apply(batch).unwrap();
}

/// One node's index: one thread writes all its spaces, as in a node, and two read them.
fn run(index: Index) {
    let spaces: Vec<_> =
        (0..SPACES).map(|number| index.space(ChainTag(sha256(&number.to_be_bytes()))).unwrap()).collect();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for reader in 0..2 {
            let (spaces, over) = (&spaces, &over);
            scope.spawn(move || {
                for number in (0..KEYS_PER_BATCH).cycle().skip(reader) {
                    let space = &spaces[number as usize % SPACES];
                    space.get(&key(number, number)).unwrap();
                    if number % 64 == 0 {
                        assert!(space.scan(&[number as u8]).all(|entry| entry.is_ok()));
                    }
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
        }
        for round in 0..ROUNDS {
            spaces.iter().for_each(|space| write(space, round));
        }
        over.store(true, Ordering::Relaxed);
    });
    for space in &spaces {
        assert_eq!(space.scan(b"").filter(|entry| entry.is_ok()).count(), 8 * KEYS_PER_BATCH as usize);
    }
}

fn four(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let (sender, closed) = mpsc::channel();
    for number in 0..INDEXES {
        let index = Index::open(&folder.path().join(number.to_string()), engine).unwrap();
        let sender = sender.clone();
        thread::spawn(move || {
            run(index);
            sender.send(()).unwrap();
        });
    }
    for number in 0..INDEXES {
        let ended = closed.recv_timeout(DEADLINE);
        assert_eq!(ended, Ok(()), "{engine:?}: {number} of {INDEXES} came to an end");
    }
    for number in 0..INDEXES {
        let index = Index::open(&folder.path().join(number.to_string()), engine).unwrap();
        let space = index.space(ChainTag(sha256(&0usize.to_be_bytes()))).unwrap();
        assert!(space.get(&key(ROUNDS - 1, 0)).unwrap().is_some(), "it was closed, and all is there");
    }
}

#[test]
fn four_indexes_in_one_process_come_to_an_end() {
    four(Engine::Fjall);
    // sled's wait for ever (docs/adr/0010-index-engine.md) takes a whole network; this much it must bear.
    four(Engine::Sled);
}
