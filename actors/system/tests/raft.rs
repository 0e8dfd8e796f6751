//! Groups that keep a Raft log: blocks with certificates of a majority, whoever of a minority is away, and no member that
//! signs two headers of one height.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use catenary_relay::query::Activity;
use catenary_runtime::{ChainMailbox, now};
use catenary_system::{
    ResumeError, resume_voting,
    testing::{Bank, Group, root, run, settle, until},
};
use catenary_types::{Address, CommitSignature, Height, Trust};
use std::{collections::BTreeMap, fs, path::Path};

/// A chain of three members, and the number of the next transaction.
struct Consortium {
    bank: Bank,
    group: Group,
    next: u64,
}

impl Consortium {
    async fn of(members: usize) -> Self {
        let bank = Bank::with_validators(members, "logged", now()).by_raft();
        let group = Group::start(std::slice::from_ref(&bank)).await;
        for member in 0..members {
            assert!(
                group.node(member).down().borrow().is_empty(),
                "{:?}",
                group.node(member).down().borrow()
            );
        }
        Self { bank, group, next: 1 }
    }

    fn chain(&self, member: usize) -> ChainMailbox {
        self.group.node(member).chains()[0].clone()
    }

    fn address(&self, member: usize) -> Address {
        Address::of(&self.bank.validator_key(member).public_key())
    }

    /// Has a member take a transaction that ends in a sealed block; its height.
    async fn settle(&mut self, member: usize) -> Height {
        let envelope = self.bank.envelope(self.next);
        self.next += 1;
        settle(&self.chain(member), envelope).await.height
    }

    /// Who built the newest block.
    async fn builder(&self, member: usize) -> usize {
        let chain = self.chain(member);
        let height = chain.status().await.unwrap().height;
        let block = chain.block(height).await.unwrap().unwrap();
        let builder = block.block.header.proposer;
        (0..).find(|number| self.address(*number) == builder).unwrap()
    }

    async fn same_state(&self, one: usize, other: usize) {
        let (one, other) = (self.chain(one), self.chain(other));
        until(async || root(&one).await == root(&other).await).await;
    }

    /// Every certificate of every running member verifies, and no member signed two headers of a height. Gives who signed which heights.
    async fn check_signatures(&self, members: &[usize]) -> BTreeMap<Address, Vec<Height>> {
        let mut signed = BTreeMap::new();
        for member in members {
            let chain = self.chain(*member);
            let newest = chain.status().await.unwrap().height;
            for height in (1..=newest.0).map(Height) {
                let block = chain.block(height).await.unwrap().unwrap();
                let header = &block.block.header;
                let valid = block.certificate.verify(
                    self.bank.chain_id(),
                    &block.validators,
                    self.bank.parameters(),
                    header.time,
                );
                assert_eq!(valid, Ok(()), "height {height}");
                for entry in &block.certificate.signatures {
                    let CommitSignature::Commit { address, .. } = entry else { continue };
                    let before = signed.insert((*address, height), header.hash());
                    assert!(
                        before.is_none_or(|hash| hash == header.hash()),
                        "{address} signed two at {height}"
                    );
                }
            }
        }
        let mut heights = BTreeMap::<_, Vec<_>>::new();
        signed.into_keys().for_each(|(address, height)| heights.entry(address).or_default().push(height));
        heights
    }
}

fn wipe(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
}

#[test]
fn three_members_make_blocks_that_a_majority_signs() {
    run(async {
        let mut consortium = Consortium::of(3).await;
        for member in [0, 1, 2, 0, 1, 2] {
            consortium.settle(member).await;
        }
        let chain = consortium.chain(0);
        assert_eq!(chain.status().await.unwrap().trust, Trust::Crash);
        consortium.same_state(0, 1).await;
        consortium.same_state(0, 2).await;
        consortium.check_signatures(&[0, 1, 2]).await;
        // Nothing waits, so nothing is built: a seal of a seal does not exist.
        let newest = chain.block(chain.status().await.unwrap().height).await.unwrap().unwrap();
        assert_eq!(newest.receipts.len(), 0);
    });
}

#[test]
fn a_leader_that_goes_is_replaced_and_comes_back() {
    run(async {
        let mut consortium = Consortium::of(3).await;
        consortium.settle(0).await;
        for _ in 0..3 {
            let leader = consortium.builder(0).await;
            let other = (leader + 1) % 3;
            consortium.group.stop(leader).await;
            let height = consortium.settle(other).await;
            assert_ne!(consortium.builder(other).await, leader);
            consortium.group.restart(leader).await;
            consortium.same_state(leader, other).await;
            assert!(consortium.settle(leader).await > height);
            consortium.check_signatures(&[0, 1, 2]).await;
        }
    });
}

#[test]
fn a_member_that_was_away_for_long_catches_up_and_signs_again() {
    run(async {
        let mut consortium = Consortium::of(3).await;
        consortium.settle(0).await;
        let leader = consortium.builder(0).await;
        let (away, other) = ((leader + 1) % 3, (leader + 2) % 3);
        consortium.group.stop(away).await;
        // More than a log keeps.
        for _ in 0..60 {
            consortium.settle(other).await;
        }
        consortium.group.restart(away).await;
        consortium.same_state(away, other).await;
        // Without it there is no majority from here on.
        consortium.group.stop(other).await;
        let height = consortium.settle(away).await;
        let signed = consortium.check_signatures(&[leader, away]).await;
        assert!(signed[&consortium.address(away)].contains(&height));
    });
}

/// The guard, which remembers every signature, is still there.
fn lose_journal(folder: &Path) {
    fs::remove_dir_all(folder.join("journal")).unwrap();
}

#[test]
fn a_member_that_lost_everything_follows_and_signs_nothing() {
    follows_after(wipe);
}

#[test]
fn a_member_that_lost_its_log_alone_follows_and_signs_nothing() {
    follows_after(lose_journal);
}

/// A member loses its log in this way.
fn follows_after(loss: fn(&Path)) {
    run(async {
        let mut consortium = Consortium::of(3).await;
        consortium.settle(0).await;
        let leader = consortium.builder(0).await;
        let (wiped, other) = ((leader + 1) % 3, (leader + 2) % 3);
        consortium.group.stop(wiped).await;
        let last = consortium.settle(leader).await;
        loss(consortium.group.folder(wiped));
        for _ in 0..2 {
            consortium.group.restart(wiped).await;
            for _ in 0..6 {
                consortium.settle(other).await;
            }
            consortium.same_state(wiped, other).await;
            let status = consortium.chain(wiped).status().await.unwrap();
            let Activity::Waiting { on, .. } = &status.activity else {
                panic!("it says nothing: {status:?}")
            };
            assert!(on.contains("Raft log is lost"), "{on}");
            // Even after a restart on what it has by now, and whatever its operator says.
            consortium.group.stop(wiped).await;
            let data = consortium.group.data(wiped).await;
            let resumed = resume_voting(&data, consortium.bank.chain_id());
            assert!(matches!(resumed, Err(ResumeError::KeepsLog(_))), "{resumed:?}");
        }
        consortium.group.restart(wiped).await;
        consortium.same_state(wiped, other).await;
        let signed = consortium.check_signatures(&[leader, other, wiped]).await;
        let after = |heights: &Vec<Height>| heights.iter().any(|height| *height > last);
        assert!(!signed.get(&consortium.address(wiped)).is_some_and(after), "it signed again");
        assert!(after(&signed[&consortium.address(other)]));
    });
}

#[test]
fn a_group_of_one_goes_on_after_a_restart() {
    run(async {
        let mut consortium = Consortium::of(1).await;
        let first = consortium.settle(0).await;
        consortium.group.stop(0).await;
        consortium.group.restart(0).await;
        assert!(consortium.settle(0).await > first);
        assert_eq!(consortium.chain(0).status().await.unwrap().trust, Trust::Single);
        consortium.check_signatures(&[0]).await;
    });
}
