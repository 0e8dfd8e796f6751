//! One validator of four stops while the others go on, and comes back on what is left of its folder: it fetches what it
//! missed, votes again, contradicts itself nowhere, and ends in the same state.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use catenary_links::ChainClient;
use catenary_runtime::now;
use catenary_store::DataDir;
use catenary_system::{
    ResumeError, resume_voting,
    testing::{Bank, Group, copy, files, root, run, settle, soon, until},
};
use catenary_types::{Address, CommitSignature, Height};
use std::{fs, path::Path};

/// The validator that stops; clients use the first.
const AWAY: usize = 3;
/// Longest that a validator may follow before it votes again, in blocks.
const SILENT_BLOCKS_MAX: u64 = 40;

/// What a validator loses that cannot tell what it signed.
fn lose_votes(folder: &Path) {
    fs::remove_file(folder.join("guard")).unwrap();
    fs::remove_dir_all(folder.join("journal")).unwrap();
}

/// What happens to the folder while its node is stopped.
type Damage = fn(&Path);

fn flip_middle(folder: &Path) {
    for file in files::below(folder) {
        let length = fs::metadata(&file).unwrap().len() as usize;
        if length > 0 && !["LOCK", "FORMAT"].contains(&file.file_name().unwrap().to_str().unwrap()) {
            files::flip(&file, length / 2);
        }
    }
}

fn wipe(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
}

/// Whose precommits the certificate of a height counts.
async fn signers(chain: &impl ChainClient, height: Height) -> Vec<Address> {
    let block = chain.block(height).await.unwrap().unwrap();
    let signed = block.certificate.signatures.iter().filter_map(|entry| match entry {
        CommitSignature::Commit { address, .. } => Some(*address),
        CommitSignature::Absent => None,
    });
    signed.collect()
}

/// Whether any validator was reported for voting twice.
async fn reported(chain: &impl ChainClient) -> bool {
    let newest = chain.status().await.unwrap().height;
    for height in 1..=newest.0 {
        let block = chain.block(Height(height)).await.unwrap().unwrap();
        let mut events = block.receipts.iter().flat_map(|receipt| &receipt.events);
        if events.any(|event| event.kind == "equivocation_reported") {
            return true;
        }
    }
    false
}

/// Lets a validator come back after some damage; gives what its node told the operator.
fn comes_back_from(damage: Damage) -> Vec<String> {
    let bank = Bank::with_validators(4, "one", now());
    let away = Address::of(&bank.validator_key(AWAY).public_key());
    run(async {
        let mut group = Group::start(std::slice::from_ref(&bank)).await;
        let mut numbers = 1..;
        let mut next = || bank.envelope(numbers.next().unwrap());
        let chain = group.node(0).chains()[0].clone();
        for _ in 0..4 {
            settle(&chain, next()).await;
        }
        // It stops in the middle of a height.
        soon(chain.submit(vec![next()])).await.unwrap();
        group.stop(AWAY).await;
        damage(group.folder(AWAY));
        for _ in 0..4 {
            settle(&chain, next()).await;
        }
        let notices = group.restart(AWAY).await;
        assert!(group.node(AWAY).down().borrow().is_empty(), "{:?}", group.node(AWAY).down().borrow());
        let returned = chain.status().await.unwrap().height;
        loop {
            let newest = settle(&chain, next()).await.height;
            if signers(&chain, newest).await.contains(&away) {
                break;
            }
            assert!(newest.0 < returned.0 + SILENT_BLOCKS_MAX, "it does not vote any more");
        }
        let own = group.node(AWAY).chains()[0].clone();
        until(async || root(&own).await == root(&chain).await).await;
        assert!(!reported(&chain).await, "it voted twice");
        notices
    })
}

#[test]
fn a_validator_that_was_away_comes_back() {
    assert_eq!(comes_back_from(|_| {}), Vec::<String>::new());
}

#[test]
fn a_validator_that_lost_everything_comes_back() {
    comes_back_from(wipe);
}

#[test]
fn a_validator_that_lost_both_copies_of_its_votes_comes_back() {
    comes_back_from(lose_votes);
}

#[test]
fn a_validator_that_lost_one_copy_of_its_votes_comes_back() {
    comes_back_from(|folder| fs::remove_file(folder.join("guard")).unwrap());
    comes_back_from(|folder| fs::remove_dir_all(folder.join("journal")).unwrap());
}

#[test]
fn a_validator_whose_every_file_is_damaged_comes_back() {
    let notices = comes_back_from(flip_middle);
    assert!(notices.iter().any(|notice| notice.contains("the stored genesis was damaged")), "{notices:?}");
}

#[test]
fn a_validator_whose_blocks_are_damaged_comes_back_and_keeps_the_damaged_log() {
    let notices = comes_back_from(|folder| {
        let chains = fs::read_dir(folder.join("chains")).unwrap();
        chains.for_each(|chain| flip_middle(&chain.unwrap().path().join("blocks")));
    });
    assert!(notices[0].contains("it is kept as blocks.damaged-1"), "{notices:?}");
}

#[test]
fn a_group_whose_votes_too_many_lost_goes_on_by_the_operators_word() {
    let bank = Bank::with_validators(4, "one", now());
    run(async {
        let mut group = Group::start(std::slice::from_ref(&bank)).await;
        let chain = group.node(0).chains()[0].clone();
        let settled = settle(&chain, bank.envelope(1)).await.height;
        let lost = [2, 3];
        for node in lost {
            let chain = group.node(node).chains()[0].clone();
            until(async || chain.block(settled.next()).await.is_ok_and(|block| block.is_some())).await;
        }
        for node in lost {
            group.stop(node).await;
            lose_votes(group.folder(node));
        }
        for node in lost {
            let data = group.data(node).await;
            assert_eq!(resume_voting(&data, bank.chain_id()).unwrap(), Height(settled.0 + 2));
        }
        for node in lost {
            group.restart(node).await;
        }
        settle(&chain, bank.envelope(2)).await;
        assert!(!reported(&chain).await, "somebody voted twice");
    });
}

#[test]
fn a_group_of_one_that_lost_its_votes_goes_on_by_the_operators_word_alone() {
    let bank = Bank::new("one", now());
    run(async {
        let mut group = Group::start(std::slice::from_ref(&bank)).await;
        let newest = settle(&group.node(0).chains()[0], bank.envelope(1)).await.height.next();
        group.stop(0).await;
        let left = copy(group.folder(0));
        lose_votes(group.folder(0));
        group.restart(0).await;
        let down = group.node(0).down().borrow().clone();
        assert!(down[bank.chain_id()].contains("there is no other to ask"), "{down:?}");
        group.stop(0).await;
        assert_eq!(resume_voting(&group.data(0).await, bank.chain_id()).unwrap(), newest.next());
        group.restart(0).await;
        settle(&group.node(0).chains()[0], bank.envelope(2)).await;

        // It does not count against what the guard remembers, and only where there is a chain.
        wipe(&left.path().join("chains").join(bank.chain_id().as_str()).join("blocks"));
        let data = DataDir::open(left.path()).unwrap();
        let refused = resume_voting(&data, bank.chain_id()).unwrap_err();
        assert!(matches!(refused, ResumeError::Remembered { signed, .. } if signed == newest), "{refused}");
        let refused = resume_voting(&data, Bank::new("other", now()).chain_id()).unwrap_err();
        assert!(matches!(refused, ResumeError::NoChain(_)), "{refused}");
    });
}
