//! What a member keeps of its log: all of it in memory, every change of it on the disk.

use crate::{
    convert,
    engine::{Entry, Id, StorageError, StoredMembers, Vote},
};
use catenary_consensus::raft::{Base, Record};
use catenary_types::Height;
use openraft::{AnyError, EntryPayload, StorageIOError};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;

/// Runs once records are on the disk, or with the reason why nobody knows whether they are.
pub type OnDurable = Box<dyn FnOnce(Result<(), String>) + Send>;

/// Where the changes of a log are kept, in the order in which they are made.
pub trait Disk: Send + Sync + 'static {
    /// Appends records, each to be kept until it is released with its height. `on_durable` runs later, never within the call. An
    /// error says why nothing is appended any more.
    fn append(&self, records: Vec<(Height, Record)>, on_durable: OnDurable) -> Result<(), String>;

    /// Up to where blocks are final here and safe without the log.
    fn flushed(&self) -> Height;

    /// Records up to this height are no longer needed for the log.
    fn release(&self, height: Height);
}

/// A member's log, shared by the parts of the engine.
pub(crate) struct Store {
    log: Mutex<Log>,
    disk: Arc<dyn Disk>,
}

/// An entry with the height under which its record is kept.
struct Kept {
    entry: Entry,
    stamp: Height,
}

/// An applied entry that the log may still be cut behind.
struct Passed {
    id: Id,
    /// Of its block.
    height: Option<Height>,
    /// Of a change of the members.
    members: Option<StoredMembers>,
}

/// See [`Store`].
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) ballot: Option<Vote>,
    /// Where it begins on the disk.
    pub(crate) base: Base,
    entries: BTreeMap<u64, Kept>,
    /// The height of the newest record. It never falls, so the order of heights is the order of time.
    stamp: Height,
    /// The last entry that was applied, and the members there.
    pub(crate) applied: Option<Id>,
    pub(crate) members: StoredMembers,
    passed: VecDeque<Passed>,
    /// The newest snapshot.
    pub(crate) snapshot: Option<Base>,
}

impl Store {
    /// A log as its records tell it.
    pub(crate) fn recover(records: Vec<(Height, Record)>, disk: Arc<dyn Disk>) -> Arc<Self> {
        // No block has height 0, so what is kept under that is not kept at all.
        let mut log = Log { stamp: Height(1), ..Log::default() };
        for (stamp, record) in records {
            log.stamp = stamp.max(log.stamp);
            match record {
                Record::Ballot(ballot) => log.ballot = Some(convert::ballot_back(&ballot)),
                Record::Entry(entry) => log.insert(convert::entry_back(&entry)),
                Record::Cut { index } => drop(log.entries.split_off(&index)),
                Record::Base { ballot, base } => {
                    log.ballot = ballot.as_ref().map(convert::ballot_back);
                    log.begin_at(base);
                }
            }
        }
        if log.base.last.is_some() {
            log.applied = log.base.last.as_ref().map(convert::log_id_back);
            log.members = convert::base_members(&log.base);
            log.snapshot = Some(log.base.clone());
        }
        Arc::new(Self { log: Mutex::new(log), disk })
    }

    /// Nothing waits under the lock, and records are appended under it so that they stand in the order of the changes.
    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the log and appends what the change leaves.
    pub(crate) fn change(
        &self,
        on_durable: OnDurable,
        change: impl FnOnce(&mut Log) -> Vec<(Height, Record)>,
    ) -> Result<(), String> {
        let mut log = self.log();
        let records = change(&mut log);
        self.disk.append(records, on_durable)
    }

    /// The same, and waits until it is on the disk.
    pub(crate) async fn change_durably(
        &self,
        change: impl FnOnce(&mut Log) -> Vec<(Height, Record)>,
    ) -> Result<(), String> {
        let (done, durable) = oneshot::channel();
        // Whoever waited may be gone.
        self.change(Box::new(move |result| drop(done.send(result))), change)?;
        durable.await.unwrap_or_else(|_| Err("the journal is gone".into()))
    }

    /// Drops the entries up to this one: first the new beginning is on the disk, then what led to it may go.
    pub(crate) fn cut_behind(self: &Arc<Self>, id: Id) -> Result<(), String> {
        let store = self.clone();
        let released = move |result: Result<(), String>| {
            if result.is_ok() {
                let height = store.log().releasable();
                store.disk.release(height);
            }
        };
        let is_done = |log: &Log| log.base.last.as_ref().map(convert::log_id_back) >= Some(id);
        if is_done(&self.log()) {
            return Ok(());
        }
        self.change(Box::new(released), |log| {
            let members = log.members_at(&id);
            log.begin_at(convert::base(Some(&id), &members));
            if log.entries.is_empty() {
                // Then all that stands under the present height may go.
                log.stamp = log.stamp.next();
            }
            vec![log.base_record()]
        })
    }

    /// How many applied entries a snapshot would newly cover.
    pub(crate) fn coverable(&self) -> usize {
        let flushed = self.disk.flushed();
        self.log().covered(flushed)
    }

    /// The newest snapshot that the flushed blocks allow.
    pub(crate) fn take_snapshot(&self) -> Base {
        let flushed = self.disk.flushed();
        self.log().take_snapshot(flushed)
    }
}

/// The engine's word for a disk that takes nothing more.
pub(crate) fn failed(reason: String) -> StorageError {
    StorageIOError::write_logs(AnyError::error(reason)).into()
}

impl Log {
    /// Appends entries; the records of them.
    pub(crate) fn append(&mut self, entries: impl IntoIterator<Item = Entry>) -> Vec<(Height, Record)> {
        let append = |entry: Entry| {
            let record = Record::Entry(convert::entry(&entry));
            self.insert(entry);
            (self.stamp, record)
        };
        entries.into_iter().map(append).collect()
    }

    /// Notes a vote; the record of it.
    pub(crate) fn vote(&mut self, vote: Vote) -> (Height, Record) {
        self.ballot = Some(vote);
        (self.stamp, Record::Ballot(convert::ballot(&vote)))
    }

    /// Drops the entries from this index on; the record of that.
    pub(crate) fn cut_from(&mut self, index: u64) -> (Height, Record) {
        self.entries.split_off(&index);
        (self.stamp, Record::Cut { index })
    }

    /// Where the log begins, with the vote.
    pub(crate) fn base_record(&self) -> (Height, Record) {
        let ballot = self.ballot.as_ref().map(convert::ballot);
        (self.stamp, Record::Base { ballot, base: self.base.clone() })
    }

    /// Lets the log begin after what some other member says is applied.
    pub(crate) fn install(&mut self, base: Base) -> Vec<(Height, Record)> {
        self.applied = base.last.as_ref().map(convert::log_id_back);
        self.members = convert::base_members(&base);
        self.passed.clear();
        self.snapshot = Some(base.clone());
        self.begin_at(base);
        vec![self.base_record()]
    }

    /// An entry was applied.
    pub(crate) fn apply(&mut self, entry: &Entry) {
        let (id, mut members) = (entry.log_id, None);
        if let EntryPayload::Membership(new) = &entry.payload {
            self.members = StoredMembers::new(Some(id), new.clone());
            members = Some(self.members.clone());
        }
        self.applied = Some(id);
        self.passed.push_back(Passed { id, height: height(entry), members });
    }

    pub(crate) fn range(&self, range: impl std::ops::RangeBounds<u64>) -> impl Iterator<Item = &Entry> {
        self.entries.range(range).map(|(_, kept)| &kept.entry)
    }

    pub(crate) fn last(&self) -> Option<Id> {
        let last = self.entries.values().next_back().map(|kept| kept.entry.log_id);
        last.or_else(|| self.base.last.as_ref().map(convert::log_id_back))
    }

    /// Up to where the log may be cut, if anything stands there.
    pub(crate) fn cuttable(&self) -> Option<u64> {
        let upto = self.snapshot.as_ref()?.last?.index;
        self.entries.range(..=upto).next().map(|_| upto)
    }

    fn insert(&mut self, entry: Entry) {
        let index = entry.log_id.index;
        self.stamp = self.stamp.max(height(&entry).unwrap_or_default());
        self.entries.split_off(&index);
        self.entries.insert(index, Kept { entry, stamp: self.stamp });
    }

    fn begin_at(&mut self, base: Base) {
        if let Some(last) = &base.last {
            self.entries = self.entries.split_off(&(last.index + 1));
        }
        self.base = base;
    }

    /// The height up to which no record is needed: those of the entries that are left, and the new beginning, stand above.
    fn releasable(&self) -> Height {
        let first = self.entries.values().map(|kept| kept.stamp).next().unwrap_or(self.stamp);
        Height(first.0.saturating_sub(1))
    }

    /// The members as of an entry that was applied.
    fn members_at(&self, id: &Id) -> StoredMembers {
        let newest = self.entries.range(..=id.index).rev().find_map(|(_, kept)| match &kept.entry.payload {
            EntryPayload::Membership(members) => {
                Some(StoredMembers::new(Some(kept.entry.log_id), members.clone()))
            }
            EntryPayload::Blank | EntryPayload::Normal(_) => None,
        });
        newest.unwrap_or_else(|| convert::base_members(&self.base))
    }

    fn covered(&self, flushed: Height) -> usize {
        self.passed.iter().take_while(|passed| passed.height.is_none_or(|height| height <= flushed)).count()
    }

    fn take_snapshot(&mut self, flushed: Height) -> Base {
        let mut base = self.snapshot.clone().unwrap_or_else(|| self.base.clone());
        for Passed { id, members, .. } in self.passed.drain(..self.covered(flushed)) {
            base.last = Some(convert::log_id(&id));
            if let Some(members) = members {
                base = convert::base(Some(&id), &members);
            }
        }
        self.snapshot = Some(base.clone());
        base
    }
}

fn height(entry: &Entry) -> Option<Height> {
    match &entry.payload {
        EntryPayload::Normal(block) => Some(block.header.height),
        EntryPayload::Blank | EntryPayload::Membership(_) => None,
    }
}
