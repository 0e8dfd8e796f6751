//! Snapshots: taken while a chain runs, made offline, verified, refused, restored; after each the chain goes on in the same
//! state.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use catenary_crypto::sha256;
use catenary_relay::gateway::{GatewayError, SubmitOutcome};
use catenary_replica::{Chunk, Manifest, SNAPSHOT_WORTH_BLOCKS};
use catenary_runtime::{ChainMailbox, now};
use catenary_store::DataDir;
use catenary_system::{
    Listed, ResumeError, SnapshotCommandError, create_snapshot, list_snapshots, restore_snapshot,
    resume_voting,
    testing::{Bank, Group, copy, copy_into, files, root, run, settle, soon, until},
    verify_snapshot,
};
use catenary_types::{Address, CommitSignature, Height, Message};
use std::{fs, path::Path};

/// The validator that begins again; clients use the first.
const AWAY: usize = 3;
/// Longest that a validator may follow before it votes again, in blocks.
const SILENT_BLOCKS_MAX: u64 = 40;

fn snapshots(folder: &Path, bank: &Bank) -> Vec<u64> {
    let folder = folder.join("snapshots").join(bank.chain_id().as_str());
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().ok()).collect()
}

/// A copy of a stopped node's folder with a snapshot that was made of it.
fn made(group: &Group, bank: &Bank) -> (tempfile::TempDir, Listed) {
    let copied = copy(group.folder(AWAY));
    let data = DataDir::open(copied.path()).unwrap();
    let listed = create_snapshot(&data, bank.chain_id(), &bank.ledger()).unwrap();
    (copied, listed)
}

/// The oldest height that there is, if that is why there is no answer.
fn oldest<T>(answer: Result<T, GatewayError>) -> Option<Height> {
    match answer {
        Err(GatewayError::Height { oldest, .. }) => Some(oldest),
        _ => None,
    }
}

/// Whether the certificate of a height counts a validator.
async fn signed(chain: &ChainMailbox, height: Height, validator: Address) -> bool {
    let block = chain.block(height).await.unwrap().unwrap();
    block
        .certificate
        .signatures
        .iter()
        .any(|entry| matches!(entry, CommitSignature::Commit { address, .. } if *address == validator))
}

#[test]
fn a_chain_that_runs_leaves_snapshots_and_keeps_the_newest() {
    let bank = Bank::new("one", now());
    run(async {
        let group = Group::start(std::slice::from_ref(&bank)).await;
        let chain = group.node(0).chains()[0].clone();
        let mut taken = Vec::new();
        for number in 1..1_000 {
            settle(&chain, bank.envelope(number)).await;
            taken.extend(
                snapshots(group.folder(0), &bank)
                    .into_iter()
                    .filter(|height| !taken.contains(height))
                    .collect::<Vec<_>>(),
            );
            if taken.len() >= 3 {
                break;
            }
        }
        assert!(taken.len() >= 3, "{taken:?}");
        until(async || snapshots(group.folder(0), &bank).len() == 2).await;
        let copied = copy(group.folder(0));
        let data = DataDir::open(copied.path()).unwrap();
        let listed = list_snapshots(&data, bank.chain_id()).unwrap();
        for Listed { height, folder, .. } in &listed {
            assert_eq!(verify_snapshot(bank.genesis(), folder, None).unwrap().0, *height);
        }
        assert_eq!(listed.len(), 2);
    });
}

/// Restores a snapshot in the place of what a stopped node had.
async fn restore(group: &Group, bank: &Bank, folder: &Path, height: Height) {
    // Only into a folder without blocks.
    let data = group.data(AWAY).await;
    let refused = restore_snapshot(&data, bank.chain_id(), None, folder, None).unwrap_err();
    assert!(matches!(refused, SnapshotCommandError::NotEmpty { .. }), "{refused}");
    drop(data);
    fs::remove_dir_all(group.folder(AWAY)).unwrap();
    fs::create_dir(group.folder(AWAY)).unwrap();
    let data = group.data(AWAY).await;
    let without = restore_snapshot(&data, bank.chain_id(), None, folder, None).unwrap_err();
    assert!(matches!(without, SnapshotCommandError::NoGenesis(_)), "{without}");
    let restored = restore_snapshot(&data, bank.chain_id(), Some(bank.genesis()), folder, None).unwrap();
    assert_eq!(restored, height);
}

#[test]
fn a_restored_node_goes_on_from_its_snapshot_and_votes_again() {
    let bank = Bank::with_validators(4, "one", now());
    run(async {
        let mut group = Group::start(std::slice::from_ref(&bank)).await;
        let chain = group.node(0).chains()[0].clone();
        for number in 1..10 {
            settle(&chain, bank.envelope(number)).await;
        }
        let own = group.node(AWAY).chains()[0].clone();
        until(async || root(&own).await == root(&chain).await).await;
        group.stop(AWAY).await;
        let (copied, Listed { height, folder, .. }) = made(&group, &bank);
        assert!(matches!(
            create_snapshot(&DataDir::open(copied.path()).unwrap(), bank.chain_id(), &bank.ledger()),
            Err(SnapshotCommandError::Create(_))
        ));

        restore(&group, &bank, &folder, height).await;
        settle(&chain, bank.envelope(10)).await;
        assert_eq!(group.restart(AWAY).await, Vec::<String>::new());
        let own = group.node(AWAY).chains()[0].clone();
        until(async || root(&own).await == root(&chain).await).await;
        // Blocks below are not there, and it says which are.
        assert_eq!(oldest(own.block(height).await), Some(height.next()));
        assert_eq!(oldest(own.header(Some(Height(1))).await), Some(height.next()));
        until(async || own.block(height.next()).await.is_ok_and(|block| block.is_some())).await;
        // It votes again; without one of the others the group needs its votes.
        let address = Address::of(&bank.validator_key(AWAY).public_key());
        let mut numbers = 11..;
        let mut next = || bank.envelope(numbers.next().unwrap());
        loop {
            let newest = settle(&chain, next()).await.height;
            if signed(&chain, newest, address).await {
                break;
            }
            assert!(newest.0 < height.0 + SILENT_BLOCKS_MAX, "it does not vote any more");
        }
        group.stop(2).await;
        for _ in 0..3 {
            settle(&chain, next()).await;
        }
        until(async || root(&own).await == root(&chain).await).await;
        // What it has by now reads back: from its checkpoint, and without an index from snapshot and blocks.
        for lose in [false, true] {
            group.stop(AWAY).await;
            if lose {
                drop(group.data(AWAY).await);
                fs::remove_dir_all(group.folder(AWAY).join("index")).unwrap();
            }
            assert_eq!(group.restart(AWAY).await, Vec::<String>::new());
            let own = group.node(AWAY).chains()[0].clone();
            until(async || root(&own).await == root(&chain).await).await;
        }
        settle(&chain, next()).await;
        // A snapshot of it carries what its own began with; it needs the seal for that.
        let own = group.node(AWAY).chains()[0].clone();
        until(async || root(&own).await == root(&chain).await).await;
        group.stop(AWAY).await;
        let (_copied, again) = made(&group, &bank);
        assert!(again.height > height);
        verify_snapshot(bank.genesis(), &again.folder, None).unwrap();
    });
}

#[test]
fn a_changed_snapshot_is_refused_and_nothing_is_written() {
    let bank = Bank::with_validators(4, "one", now());
    run(async {
        let mut group = Group::start(std::slice::from_ref(&bank)).await;
        let chain = group.node(0).chains()[0].clone();
        for number in 1..4 {
            settle(&chain, bank.envelope(number)).await;
        }
        let own = group.node(AWAY).chains()[0].clone();
        until(async || root(&own).await == root(&chain).await).await;
        soon(chain.status()).await.unwrap();
        group.stop(AWAY).await;
        let (_copied, Listed { folder, .. }) = made(&group, &bank);
        let other = Bank::with_validators(4, "other", now());
        let wrong = verify_snapshot(other.genesis(), &folder, None).unwrap_err().to_string();
        assert!(wrong.contains("expected a snapshot of other-"), "{wrong}");
        let pin = format!("1:{}", "00".repeat(32)).parse().unwrap();
        let wrong = verify_snapshot(bank.genesis(), &folder, Some(pin));
        assert!(wrong.unwrap_err().to_string().contains("no header of that height"));
        for file in files::below(&folder) {
            let length = fs::metadata(&file).unwrap().len() as usize;
            let whole = fs::read(&file).unwrap();
            for damage in [0, length / 3, length - 1] {
                files::flip(&file, damage);
                verify_snapshot(bank.genesis(), &folder, None).unwrap_err();
                fs::write(&file, &whole).unwrap();
            }
            files::cut(&file, length - 1);
            verify_snapshot(bank.genesis(), &folder, None).unwrap_err();
            let empty = tempfile::tempdir().unwrap();
            let data = DataDir::open(empty.path()).unwrap();
            restore_snapshot(&data, bank.chain_id(), Some(bank.genesis()), &folder, None).unwrap_err();
            assert!(data.chain(bank.chain_id().as_str()).unwrap().is_blank().unwrap());
            assert!(!empty.path().join("guard").exists());
            fs::remove_file(&file).unwrap();
            verify_snapshot(bank.genesis(), &folder, None).unwrap_err();
            fs::write(&file, &whole).unwrap();
        }
        verify_snapshot(bank.genesis(), &folder, None).unwrap();
    });
}

#[test]
fn a_group_of_one_does_not_sign_again_what_followed_its_snapshot() {
    let bank = Bank::new("one", now());
    run(async {
        let mut group = Group::start(std::slice::from_ref(&bank)).await;
        for number in 1..4 {
            settle(&group.node(0).chains()[0], bank.envelope(number)).await;
        }
        group.stop(0).await;
        let copied = copy(group.folder(0));
        let taken = DataDir::open(copied.path()).unwrap();
        let Listed { height, folder, .. } = create_snapshot(&taken, bank.chain_id(), &bank.ledger()).unwrap();
        drop(group.data(0).await);
        fs::remove_dir_all(group.folder(0)).unwrap();
        fs::create_dir(group.folder(0)).unwrap();
        let data = group.data(0).await;
        restore_snapshot(&data, bank.chain_id(), Some(bank.genesis()), &folder, None).unwrap();
        // The seal above it has a certificate, so its only validator signed there.
        let refused = resume_voting(&data, bank.chain_id()).unwrap_err();
        let seal = height.next();
        assert!(
            matches!(refused, ResumeError::Remembered { signed, newest } if (signed, newest) == (seal, height)),
            "{refused}"
        );
        drop(data);
        group.restart(0).await;
        let down = group.node(0).down().borrow().clone();
        assert!(down[bank.chain_id()].contains("there is no other to ask"), "{down:?}");
    });
}

/// Changes a value of the state in a snapshot, and what its manifest says of the chunk.
fn lie(folder: &Path) {
    let (manifest_file, chunk_file) = (folder.join("manifest"), folder.join(format!("{:020}.chunk", 0)));
    let mut manifest = Manifest::read(&fs::read(&manifest_file).unwrap()).unwrap();
    let mut chunk = Chunk::decode(&fs::read(&chunk_file).unwrap()).unwrap();
    *chunk.entries.last_mut().unwrap().value.last_mut().unwrap() ^= 1;
    let bytes = chunk.encode();
    manifest.chunks[0].hash = sha256(&bytes);
    fs::write(chunk_file, bytes).unwrap();
    fs::write(manifest_file, manifest.encode()).unwrap();
}

#[test]
fn a_new_node_begins_with_a_snapshot_although_others_lie() {
    let bank = Bank::with_validators(4, "one", now());
    run(async {
        let grown = tempfile::tempdir().unwrap();
        let height = bank.grow(grown.path(), SNAPSHOT_WORTH_BLOCKS + 20);
        let data = DataDir::open(grown.path()).unwrap();
        let taken = create_snapshot(&data, bank.chain_id(), &bank.ledger()).unwrap();
        assert_eq!(taken.height.next(), height);
        drop(data);
        // Of those that are asked first one sends another state, one a damaged chunk.
        let group = Group::start_on(std::slice::from_ref(&bank), |node, folder| {
            if node == AWAY {
                return;
            }
            copy_into(grown.path(), folder).unwrap();
            let snapshot = folder.join(taken.folder.strip_prefix(grown.path()).unwrap());
            match node {
                0 => lie(&snapshot),
                1 => files::flip(&snapshot.join(format!("{:020}.chunk", 0)), 1_000),
                _ => {}
            }
        })
        .await;
        let chain = group.node(0).chains()[0].clone();
        let accounts = SNAPSHOT_WORTH_BLOCKS + 20;
        for number in 1..4 {
            settle(&chain, bank.envelope(accounts + number)).await;
        }
        let own = group.node(AWAY).chains()[0].clone();
        until(async || own.status().await.is_ok_and(|status| status.height > height)).await;
        until(async || root(&own).await == root(&chain).await).await;
        assert!(group.node(AWAY).rebuilt().borrow().is_empty(), "it fell");
        assert_eq!(oldest(own.block(Height(1)).await), Some(taken.height.next()));
        // A transaction from before is refused here as everywhere.
        let again = chain.submit(vec![bank.envelope(1)]).await.unwrap();
        let repeated = own.submit(vec![bank.envelope(1)]).await.unwrap();
        assert!(matches!(again[..], [SubmitOutcome::Refused(_)]), "{again:?}");
        assert!(matches!(repeated[..], [SubmitOutcome::Refused(_)]), "{repeated:?}");
    });
}

#[test]
fn a_new_node_fetches_every_block_if_all_snapshots_are_lies() {
    let bank = Bank::with_validators(4, "one", now());
    run(async {
        let grown = tempfile::tempdir().unwrap();
        let height = bank.grow(grown.path(), SNAPSHOT_WORTH_BLOCKS);
        let data = DataDir::open(grown.path()).unwrap();
        let taken = create_snapshot(&data, bank.chain_id(), &bank.ledger()).unwrap();
        drop(data);
        let group = Group::start_on(std::slice::from_ref(&bank), |node, folder| {
            if node == AWAY {
                return;
            }
            copy_into(grown.path(), folder).unwrap();
            let snapshot = folder.join(taken.folder.strip_prefix(grown.path()).unwrap());
            match node {
                0 => lie(&snapshot),
                1 => files::flip(&snapshot.join("manifest"), 1_000),
                _ => fs::remove_dir_all(&snapshot).unwrap(),
            }
        })
        .await;
        let own = group.node(AWAY).chains()[0].clone();
        until(async || own.status().await.is_ok_and(|status| status.height >= height)).await;
        assert!(own.block(Height(1)).await.unwrap().is_some());
        let chain = group.node(0).chains()[0].clone();
        settle(&chain, bank.envelope(SNAPSHOT_WORTH_BLOCKS + 1)).await;
        until(async || root(&own).await == root(&chain).await).await;
    });
}
