//! Damaged journals and block logs on a whole node: what was acknowledged is back, or its loss is named; a chain never
//! comes back in another state.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use catenary_crypto::Hash;
use catenary_runtime::now;
use catenary_system::testing::{
    Bank, copy,
    files::{blocks, cut, first_blocks, flip},
    root, run, settle, soon, start, until,
};
use catenary_types::Height;
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// How many places of a file are damaged, one after the other.
const PLACES: usize = 24;

/// What two runs of a node left when it was killed. The third bank does not run the second time, so that the journal
/// keeps the segment of the first run.
struct Left {
    folder: TempDir,
    banks: [Bank; 3],
    /// Height and root of each chain.
    states: Vec<(Height, Hash)>,
    /// The first bank's blocks of the first run.
    first_blocks: TempDir,
}

impl Left {
    fn new() -> Self {
        let banks = ["one", "two", "three"].map(|name| Bank::new(name, now()));
        let folder = tempfile::tempdir().unwrap();
        let (first, third) = run(async {
            let (node, _) = start(folder.path(), &banks).await.unwrap();
            for (chain, bank) in node.chains().iter().zip(&banks) {
                settle(chain, bank.envelope(1)).await;
                settle(chain, bank.envelope(2)).await;
            }
            (copy(folder.path()), root(&node.chains()[2]).await)
        });
        let first_blocks = copy(&blocks(first.path(), &banks[0]));
        run(async {
            let (node, _) = start(first.path(), &banks[..2]).await.unwrap();
            let mut states = Vec::new();
            for (chain, bank) in node.chains().iter().zip(&banks) {
                for number in 3..6 {
                    settle(chain, bank.envelope(number)).await;
                }
                states.push(root(chain).await);
            }
            states.push(third);
            Self { folder: copy(first.path()), banks, states, first_blocks }
        })
    }

    /// A copy in which the disk lost what the first bank's block log had not flushed: all blocks of the second run.
    fn without_unflushed_blocks(&self) -> TempDir {
        let left = copy(self.folder.path());
        let lost = blocks(left.path(), &self.banks[0]);
        for file in fs::read_dir(self.first_blocks.path()).unwrap().map(Result::unwrap) {
            fs::copy(file.path(), lost.join(file.file_name())).unwrap();
        }
        left
    }

    /// Starts a node on a copy of a folder in which the first bank's block log is cut: this bank's chain does not start.
    fn misses_the_end(&self, folder: &Path, file: impl Fn(&Path) -> PathBuf, length: usize) {
        let folder = copy(folder);
        cut(&file(folder.path()), length);
        run(async {
            let (node, _) = start(folder.path(), &self.banks).await.unwrap();
            let down = node.down().borrow().clone();
            let reason = &down[self.banks[0].chain_id()];
            assert!(reason.starts_with("the end of the block log is lost"), "{reason}");
            assert_eq!(down.len(), 1);
        });
    }

    /// Starts a node on a folder. Each chain comes back as it was, or does not start and names the damage. Gives the
    /// notices, and which chains came back.
    fn judge(&self, folder: &Path, damage: &str) -> (Vec<String>, Vec<bool>) {
        run(async {
            let (node, notices) = start(folder, &self.banks).await.unwrap();
            let down = node.down().borrow().clone();
            let mut back = Vec::new();
            for (chain, state) in node.chains().iter().zip(&self.states) {
                let reason = down.get(chain.chain_id());
                back.push(reason.is_none());
                match reason {
                    Some(reason) => assert!(reason.contains(", offset"), "{damage}: {reason}"),
                    None => {
                        soon(chain.final_block(state.0)).await.unwrap();
                        assert_eq!(root(chain).await, *state, "{damage}");
                    }
                }
            }
            (notices, back)
        })
    }
}

fn segment(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("journal/{number:020}.journal"))
}

/// Places all over a file, in the order of their offsets.
fn places(file: &Path) -> impl Iterator<Item = usize> {
    let length = fs::read(file).unwrap().len();
    (0..PLACES).map(move |place| (2 * place + 1) * length / (2 * PLACES))
}

#[test]
fn the_journal_brings_back_what_the_block_log_had_not_flushed_and_is_trimmed_then() {
    let left = Left::new();
    let folder = left.without_unflushed_blocks();
    let (_, back) = left.judge(folder.path(), "lost blocks");
    assert_eq!(back, [true; 3]);
    let folder = left.without_unflushed_blocks();
    run(async {
        let (_node, _) = start(folder.path(), &left.banks).await.unwrap();
        until(async || !segment(folder.path(), 1).exists() && !segment(folder.path(), 2).exists()).await;
    });
}

#[test]
fn a_flipped_byte_of_the_journal_is_named_and_changes_no_state() {
    let left = Left::new();
    let mut outcomes = Vec::new();
    for number in [1, 2] {
        for at in places(&segment(left.folder.path(), number)) {
            let folder = left.without_unflushed_blocks();
            flip(&segment(folder.path(), number), at);
            let damage = format!("byte {at} of segment {number}");
            let (notices, back) = left.judge(folder.path(), &damage);
            let named = format!("segment {number}, offset");
            assert!(notices.iter().any(|notice| notice.contains(&named)), "{damage}: {notices:?}");
            outcomes.push((number, back));
        }
    }
    // What every chain has in its block log may be lost; of the first bank, the second segment may not.
    assert!(outcomes.iter().any(|(number, back)| *number == 2 && !back[0]));
    assert!(outcomes.iter().any(|(number, back)| *number == 2 && back == &[true; 3]));
}

#[test]
fn a_cut_of_the_journals_end_loses_no_block_of_a_block_log() {
    let left = Left::new();
    for at in places(&segment(left.folder.path(), 2)) {
        let folder = copy(left.folder.path());
        cut(&segment(folder.path(), 2), at);
        let (_, back) = left.judge(folder.path(), &format!("segment 2 cut to {at} bytes"));
        assert_eq!(back, [true; 3], "segment 2 cut to {at} bytes");
    }
    // Behind a segment that is there, an end that is missing is no end.
    let folder = copy(left.folder.path());
    cut(&segment(folder.path(), 1), fs::read(segment(folder.path(), 1)).unwrap().len() / 2);
    let (notices, _) = left.judge(folder.path(), "segment 1 cut");
    assert!(notices.iter().any(|notice| notice.contains("segment 1, offset")), "{notices:?}");
}

#[test]
fn a_flipped_byte_of_a_block_log_is_named_and_nothing_of_it_is_served() {
    let left = Left::new();
    let file = |folder: &Path| first_blocks(folder, &left.banks[0]);
    for at in places(&file(left.folder.path())) {
        let folder = copy(left.folder.path());
        flip(&file(folder.path()), at);
        let (_, back) = left.judge(folder.path(), &format!("byte {at} of the block log"));
        assert_eq!(back, [false, true, true], "byte {at} of the block log");
    }
}

#[test]
fn the_lost_end_of_a_block_log_comes_back_from_the_journal_or_is_missed() {
    let left = Left::new();
    let file = |folder: &Path| first_blocks(folder, &left.banks[0]);
    for at in places(&file(left.folder.path())) {
        let folder = copy(left.folder.path());
        cut(&file(folder.path()), at);
        let (_, back) = left.judge(folder.path(), &format!("block log cut to {at} bytes"));
        assert_eq!(back, [true; 3], "the journal has all blocks; cut to {at} bytes");
    }
    // Once the journal is trimmed, nothing brings them back: while blocks are made, and on a node that idles.
    let folder = copy(left.folder.path());
    run(async {
        let (node, _) = start(folder.path(), &left.banks).await.unwrap();
        for (chain, bank) in node.chains().iter().zip(&left.banks) {
            settle(chain, bank.envelope(9)).await;
        }
    });
    let length = fs::read(file(folder.path())).unwrap().len();
    left.misses_the_end(folder.path(), file, length / 2);
    let idle = copy(folder.path());
    drop(run(start(idle.path(), &left.banks)).unwrap());
    left.misses_the_end(idle.path(), file, length - 1);
}
