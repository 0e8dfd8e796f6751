//! The index of a whole node lost or damaged: it is rebuilt, and every root is what it was.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use catenary_crypto::Hash;
use catenary_ledger::stores::IBC;
use catenary_relay::{
    gateway::{ProofRequest, SubmitOutcome},
    query::TransactionName,
};
use catenary_runtime::{chain_tag, now};
use catenary_store::index::{Engine, Index};
use catenary_system::testing::{Bank, Settled, copy, files, root, run, settle, start, until};
use catenary_types::Height;
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// How many bytes of the index are flipped, one after the other.
const PLACES: usize = 24;

/// A folder whose index holds a checkpoint, and blocks after it.
struct Left {
    folder: TempDir,
    bank: Bank,
    settled: Vec<(Settled, Vec<u8>)>,
    root: (Height, Hash),
}

impl Left {
    fn new() -> Self {
        let bank = Bank::new("one", now());
        let folder = tempfile::tempdir().unwrap();
        let mut settled = Vec::new();
        let root = run(async {
            let (node, _) = start(folder.path(), std::slice::from_ref(&bank)).await.unwrap();
            let chain = &node.chains()[0];
            for number in 0..6 {
                if number == 4 {
                    until(async || node.stats().checkpoints > 0).await;
                }
                let envelope = bank.envelope(number);
                settled.push((settle(chain, envelope.clone()).await, envelope));
            }
            root(chain).await
        });
        // The index writes its files when it is closed, by the last thread of the node to go.
        let index = folder.path().join("index");
        run(until(async || Index::open(&index, Engine::default()).is_ok()));
        Self { folder, bank, settled, root }
    }

    /// Starts a node on a folder: state, outcomes and the memory of what was submitted are what they were. Gives the
    /// notices.
    fn judge(&self, folder: &Path, damage: &str) -> Vec<String> {
        run(async {
            let (node, notices) = start(folder, std::slice::from_ref(&self.bank)).await.unwrap();
            let chain = &node.chains()[0];
            assert!(node.down().borrow().is_empty(), "{damage}");
            assert_eq!(root(chain).await, self.root, "{damage}");
            for (settled, envelope) in &self.settled {
                let found = chain.transaction(TransactionName::Id(settled.tx_id)).await.unwrap().value;
                assert_eq!(found.unwrap().height, settled.height, "{damage}");
                let known = SubmitOutcome::Known { tx_id: settled.tx_id, height: Some(settled.height) };
                assert_eq!(chain.submit(vec![envelope.clone()]).await.unwrap(), [known], "{damage}");
            }
            settle(chain, self.bank.envelope(9)).await;
            notices
        })
    }
}

#[test]
fn a_lost_or_flipped_index_changes_nothing() {
    let left = Left::new();
    let whole = copy(left.folder.path());
    let index = Index::open(&whole.path().join("index"), Engine::default()).unwrap();
    let space = index.space(chain_tag(left.bank.chain_id())).unwrap();
    assert!(space.scan(b"").count() > 20, "the index holds a checkpoint");
    let notices = left.judge(copy(left.folder.path()).path(), "no damage");
    assert!(notices.is_empty(), "the checkpoint is used: {notices:?}");

    let without = copy(left.folder.path());
    fs::remove_dir_all(without.path().join("index")).unwrap();
    left.judge(without.path(), "no index");

    let written = places(&left.folder.path().join("index"));
    let mut rebuilt = 0;
    for (file, at) in written.iter().step_by(written.len() / PLACES) {
        let folder = copy(left.folder.path());
        let file = folder.path().join(file.strip_prefix(left.folder.path()).unwrap());
        files::flip(&file, *at);
        let damage = format!("byte {at} of {}", file.display());
        rebuilt += usize::from(!left.judge(folder.path(), &damage).is_empty());
    }
    assert!(rebuilt > PLACES / 2, "damage is said: {rebuilt}");
}

#[test]
fn what_the_newest_header_names_can_be_proven_after_a_restart_from_a_checkpoint_of_its_own_height() {
    let bank = Bank::new("one", now());
    let folder = tempfile::tempdir().unwrap();
    run(async {
        let (node, _) = start(folder.path(), std::slice::from_ref(&bank)).await.unwrap();
        settle(&node.chains()[0], bank.envelope(0)).await;
        let before = node.stats().checkpoints;
        until(async || node.stats().checkpoints > before).await;
        node.stop().await;
    });
    run(async {
        let (node, notices) = start(folder.path(), &[bank]).await.unwrap();
        assert!(notices.is_empty(), "the checkpoint is used: {notices:?}");
        let chain = &node.chains()[0];
        let (newest, _) = root(chain).await;
        let height = newest.previous().unwrap();
        let request = ProofRequest { height, store: IBC, keys: vec![vec![0]] };
        chain.prove(request).await.expect("an idle chain makes no later header");
    });
}

/// Where the files of a folder are not zero.
fn places(folder: &Path) -> Vec<(PathBuf, usize)> {
    let of_file = |file: PathBuf| {
        let bytes = fs::read(&file).unwrap().into_iter().enumerate();
        bytes.filter(|(_, byte)| *byte != 0).map(|(at, _)| (file.clone(), at)).collect::<Vec<_>>()
    };
    files::below(folder).into_iter().flat_map(of_file).collect()
}
