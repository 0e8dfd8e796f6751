//! The engine's own test suite of logs, and what a log tells its disk.

use crate::{
    engine::{Engine, Entry, Id, MemberId, StorageError},
    group::{Event, Group, Parts},
    log::LogStore,
    machine::Outlet,
    store::{Disk, OnDurable, Store},
};
use catenary_consensus::raft::{LogEntry, Payload, Record};
use catenary_crypto::Hash;
use catenary_types::{Address, Block, Header, Height, Timestamp};
use openraft::{
    EntryPayload, LeaderId, Membership, RaftLogReader, Vote,
    storage::{RaftLogStorage, RaftLogStorageExt, RaftStateMachine},
    testing::{StoreBuilder, Suite},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::mpsc;

/// A disk that forgets what it is allowed to.
#[derive(Default)]
struct Memory {
    records: Mutex<Vec<(Height, Record)>>,
    flushed: AtomicU64,
}

impl Disk for Memory {
    fn append(&self, records: Vec<(Height, Record)>, on_durable: OnDurable) -> Result<(), String> {
        let mut kept = self.records.lock().unwrap();
        kept.extend(records);
        assert!(kept.is_sorted_by_key(|(height, _)| *height), "the order of heights is the order of time");
        tokio::spawn(async { on_durable(Ok(())) });
        Ok(())
    }

    fn flushed(&self) -> Height {
        Height(self.flushed.load(Ordering::Relaxed))
    }

    fn release(&self, upto: Height) {
        self.records.lock().unwrap().retain(|(height, _)| *height > upto);
    }
}

impl Memory {
    fn records(&self) -> Vec<(Height, Record)> {
        self.records.lock().unwrap().clone()
    }

    /// Every record, encoded and read back, as a restart finds it.
    fn reopened(self: &Arc<Self>) -> (LogStore, Outlet) {
        let read = |(height, record): (Height, Record)| {
            (height, Record::decode(&record.encode()).expect("what is written reads back"))
        };
        let store = Store::recover(self.records().into_iter().map(read).collect(), self.clone());
        let (events, _) = mpsc::unbounded_channel();
        (LogStore(store.clone()), Outlet { store, events })
    }
}

struct Builder;

impl StoreBuilder<Engine, LogStore, Outlet> for Builder {
    async fn build(&self) -> Result<((), LogStore, Outlet), StorageError> {
        let (log, outlet) = Arc::<Memory>::default().reopened();
        Ok(((), log, outlet))
    }
}

#[test]
fn the_log_passes_the_suite_of_its_engine() {
    assert!(Suite::test_all(Builder).is_ok());
}

fn id(term: u64, index: u64) -> Id {
    Id::new(LeaderId::new(term, MemberId::from(1)), index)
}

fn block(term: u64, index: u64, height: u64) -> Entry {
    let header = Header {
        protocol_version: 1,
        chain_id: "bank-0123456789abcdef-1".parse().unwrap(),
        height: Height(height),
        time: Timestamp(height),
        last_block: None,
        last_commit_hash: Hash::default(),
        data_hash: Hash::default(),
        validators_hash: Hash::default(),
        next_validators_hash: Hash::default(),
        consensus_hash: Hash::default(),
        app_hash: Hash::default(),
        last_results_hash: Hash::default(),
        proposer: Address([1; 20]),
    };
    let block = Block { header, last_certificate: None, envelopes: vec![vec![7; 100]] };
    Entry { log_id: id(term, index), payload: EntryPayload::Normal(Arc::new(block)) }
}

fn members(index: u64, numbers: &[u64]) -> Entry {
    let set: BTreeSet<_> = numbers.iter().copied().map(MemberId::from).collect();
    Entry { log_id: id(1, index), payload: EntryPayload::Membership(Membership::new(vec![set], ())) }
}

#[tokio::test]
async fn a_log_is_after_a_restart_what_it_was() {
    let disk = Arc::<Memory>::default();
    let (mut log, _) = disk.reopened();
    log.save_vote(&Vote::new(2, MemberId::from(3))).await.unwrap();
    log.blocking_append([members(0, &[1, 2, 3]), block(1, 1, 1), block(1, 2, 2), block(1, 3, 3)])
        .await
        .unwrap();
    log.truncate(id(1, 2)).await.unwrap();
    log.blocking_append([block(2, 2, 2)]).await.unwrap();
    let (mut again, _) = disk.reopened();
    assert_eq!(again.read_vote().await.unwrap(), Some(Vote::new(2, MemberId::from(3))));
    let [before, after] = [&mut log, &mut again];
    let all = before.try_get_log_entries(..).await.unwrap();
    assert_eq!(all.iter().map(|entry| entry.log_id).collect::<Vec<_>>(), [id(1, 0), id(1, 1), id(2, 2)]);
    assert_eq!(after.try_get_log_entries(..).await.unwrap(), all);
}

#[tokio::test]
async fn a_log_is_cut_behind_flushed_blocks_alone_and_keeps_vote_and_members() {
    let disk = Arc::<Memory>::default();
    let (mut log, mut outlet) = disk.reopened();
    log.save_vote(&Vote::new_committed(1, MemberId::from(1))).await.unwrap();
    let entries: Vec<_> =
        [members(0, &[1, 2])].into_iter().chain((1..=6).map(|index| block(1, index, index))).collect();
    log.blocking_append(entries.clone()).await.unwrap();
    outlet.apply(entries).await.unwrap();
    disk.flushed.store(4, Ordering::Relaxed);
    let snapshot = outlet.get_current_snapshot().await.unwrap();
    assert!(snapshot.is_none());
    let base = outlet.store.take_snapshot();
    assert_eq!(base.last.map(|id| id.index), Some(4), "block 5 is in no file but this log");
    log.purge(id(1, 4)).await.unwrap();
    // The record is on the disk, then its completion releases what is older.
    while disk.records().iter().any(|(height, _)| *height < Height(5)) {
        tokio::task::yield_now().await;
    }
    let (mut again, mut machine) = disk.reopened();
    let kept = again.try_get_log_entries(..).await.unwrap();
    assert_eq!(kept.iter().map(|entry| entry.log_id.index).collect::<Vec<_>>(), [5, 6]);
    let state = again.get_log_state().await.unwrap();
    assert_eq!((state.last_purged_log_id, state.last_log_id), (Some(id(1, 4)), Some(id(1, 6))));
    assert_eq!(again.read_vote().await.unwrap(), Some(Vote::new_committed(1, MemberId::from(1))));
    let (applied, known) = machine.applied_state().await.unwrap();
    assert_eq!(applied, Some(id(1, 4)));
    assert_eq!(known.membership().voter_ids().collect::<Vec<_>>(), [MemberId::from(1), MemberId::from(2)]);
}

#[tokio::test]
async fn a_message_takes_as_many_entries_as_fit_and_never_none() {
    let (mut log, _) = Arc::<Memory>::default().reopened();
    let large = |index| {
        let mut entry = block(1, index, index);
        if let EntryPayload::Normal(block) = &mut entry.payload {
            Arc::make_mut(block).envelopes = vec![vec![0; 3 << 20]];
        }
        entry
    };
    log.blocking_append([large(0), large(1), block(1, 2, 2)]).await.unwrap();
    assert_eq!(log.limited_get_log_entries(0, 3).await.unwrap().len(), 1);
    assert_eq!(log.limited_get_log_entries(1, 3).await.unwrap().len(), 2);
}

/// Three members that hear each other at once.
#[tokio::test(start_paused = true)]
async fn three_members_have_one_log_and_an_idle_one_is_cut_to_its_beginning() {
    type Members = Arc<Mutex<BTreeMap<Address, Group>>>;
    let members = Members::default();
    let addresses: BTreeSet<_> = [1, 2, 3].map(|number| Address([number; 20])).into();
    let mut logs = Vec::new();
    for own in addresses.clone() {
        let (events, happened) = mpsc::unbounded_channel();
        let (others, disk) = (members.clone(), Arc::<Memory>::default());
        let parts = Parts {
            name: "test".into(),
            own,
            first_members: addresses.clone(),
            records: Vec::new(),
            disk: disk.clone(),
            send: Arc::new(move |to, message| {
                let others = others.lock().unwrap();
                let to = others.get(&to);
                to.is_some_and(|to| {
                    to.receive(message);
                    true
                })
            }),
            clock: Arc::new(|| Timestamp(0)),
            events,
        };
        let group = Group::start(parts).await.unwrap();
        members.lock().unwrap().insert(own, group);
        logs.push((disk, happened));
    }
    let EntryPayload::Normal(block) = block(0, 0, 1).payload else { unreachable!("it is a block") };
    let mut written = false;
    let mut applied = vec![Vec::new(); logs.len()];
    let is_block = |entry: &LogEntry| matches!(entry.payload, Payload::Block(_));
    while !applied.iter().all(|log: &Vec<LogEntry>| log.iter().any(is_block)) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        for (at, (_, happened)) in logs.iter_mut().enumerate() {
            while let Ok(event) = happened.try_recv() {
                match event {
                    Event::Applied(entry) => applied[at].push(entry),
                    Event::Leads(Some(leads)) if !written => {
                        written = true;
                        members.lock().unwrap()[&leads.term.leader].write(block.clone());
                    }
                    Event::Unwritten => written = false,
                    Event::Leads(_) | Event::Installed(_) => {}
                    Event::Failed(reason) => panic!("{reason}"),
                }
            }
        }
    }
    assert!(applied.iter().all(|log| *log == applied[0]), "{applied:?}");
    let count = |logs: &[(Arc<Memory>, _)]| logs.iter().map(|(disk, _)| disk.records().len()).max();
    let uncut = count(&logs);
    while count(&logs) > Some(2) {
        for (disk, _) in &logs {
            disk.flushed.store(1, Ordering::Relaxed);
        }
        members.lock().unwrap().values().for_each(Group::compact_idle);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(uncut > Some(3), "members, a blank one and the block");
    for (disk, _) in &logs {
        begins_after(disk, applied[0].last().unwrap().id.index).await;
    }
}

/// A log with nothing but where it begins, its three members and its leader.
async fn begins_after(disk: &Arc<Memory>, index: u64) {
    let (mut log, mut outlet) = disk.reopened();
    assert!(log.try_get_log_entries(..).await.unwrap().is_empty());
    let (last, known) = outlet.applied_state().await.unwrap();
    assert_eq!(last.map(|id| id.index), Some(index));
    assert_eq!(known.membership().voter_ids().count(), 3);
    assert!(log.read_vote().await.unwrap().is_some_and(|vote| vote.committed));
}
