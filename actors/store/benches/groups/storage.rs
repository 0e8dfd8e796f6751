//! Where a node's records and marks go, in the two variants.

use crate::Envelope;
use crate::group::Event;
use catenary_consensus::{Mark, Record as ConsensusRecord};
use catenary_journal::guard::Marked;
use catenary_journal::journal::{ChainTag, Record};
use catenary_store::guard::GuardWriter;
use catenary_store::journal::{Beside, Completion, Config, JournalWriter, Urgency};
use crossbeam_channel::Sender;
use std::collections::BTreeMap;
use std::path::Path;

const KIND_BODY: u8 = 1;
const KIND_CONSENSUS: u8 = 2;

/// One append of a group.
pub(crate) struct Append {
    pub(crate) group: usize,
    pub(crate) tag: ChainTag,
    /// The group's number of it.
    pub(crate) number: u64,
    pub(crate) records: Vec<ConsensusRecord>,
    pub(crate) mark: Option<Mark>,
}

/// A node's journal and guard.
pub(crate) enum Storage {
    /// Records by group and height.
    Memory(BTreeMap<(usize, u64), Vec<Vec<u8>>>),
    /// Both files, each with its thread.
    Disk(Box<Disk>),
}

pub(crate) struct Disk {
    journal: JournalWriter,
    guard: GuardWriter,
}

impl Disk {
    /// Appends: at once if something goes beside it, else when that happens next.
    fn append(&self, records: Vec<Record>, beside: Option<Beside>, on_durable: Completion) {
        let journal = self.journal.journal();
        let queued = match beside {
            None => journal.try_append(Urgency::Later, records, on_durable),
            Some(beside) => journal.try_append_beside(records, beside, on_durable),
        };
        queued.expect("the queue is longer than what the groups can have under way");
    }
}

impl Storage {
    pub(crate) fn memory() -> Self {
        Self::Memory(BTreeMap::new())
    }

    pub(crate) fn disk(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).expect("the folder can be made");
        let config = Config { queue_appends: 65_536, ..Config::default() };
        let (journal, ..) =
            JournalWriter::open(&folder.join("journal"), config).expect("a new journal opens");
        let (guard, _) = GuardWriter::open(&folder.join("guard"), None).expect("a new guard opens");
        Self::Disk(Box::new(Disk { journal, guard }))
    }

    /// Counts flushes from any thread.
    pub(crate) fn flush_counter(&self) -> Box<dyn Fn() -> u64> {
        match self {
            Self::Memory(_) => Box::new(|| 0),
            Self::Disk(disk) => {
                let (journal, guard) = (disk.journal.journal(), disk.guard.guard());
                Box::new(move || journal.stats().fsyncs + guard.fsyncs())
            }
        }
    }

    /// Keeps a body, ahead of whatever is appended later.
    pub(crate) fn append_body(&mut self, group: usize, tag: ChainTag, height: u64, body: &[u8]) {
        match self {
            Self::Memory(records) => records.entry((group, height)).or_default().push(body.to_vec()),
            Self::Disk(disk) => {
                let record = Record { chain: tag, height, kind: KIND_BODY, payload: body.to_vec() };
                disk.append(vec![record], None, Box::new(|_| ()));
            }
        }
    }

    /// Keeps what a step left. True if it is durable at once; else the node hears of it later.
    pub(crate) fn append(&mut self, append: Append, node: usize, done: &Sender<Envelope>) -> bool {
        let Append { group, tag, number, records, mark } = append;
        match self {
            Self::Memory(kept) => {
                for record in records {
                    kept.entry((group, record.height.0)).or_default().push(record.bytes);
                }
                true
            }
            Self::Disk(disk) => {
                let record = |record: ConsensusRecord| Record {
                    chain: tag,
                    height: record.height.0,
                    kind: KIND_CONSENSUS,
                    payload: record.bytes,
                };
                let done = done.clone();
                let tell = move || {
                    // The host is gone once the run has ended.
                    let _ = done.send((node, Event::Durable { group, number }));
                };
                let on_durable = Box::new(move |result: Result<(), _>| {
                    result.expect("the disk works");
                    if mark.is_some() {
                        tell();
                    }
                });
                let guard = disk.guard.guard();
                let beside = mark.map(|mark| -> Beside {
                    Box::new(move |batch, done| {
                        let marked = Marked { mark: mark.encode(), batch };
                        guard.raise(tag, marked, Box::new(move |result| drop(done.send(result))));
                    })
                });
                disk.append(records.into_iter().map(record).collect(), beside, on_durable);
                false
            }
        }
    }

    /// A height is decided: its records are of no use any more.
    pub(crate) fn trim(&mut self, group: usize, tag: ChainTag, height: u64) {
        match self {
            Self::Memory(records) => drop(records.remove(&(group, height))),
            Self::Disk(disk) => disk.journal.journal().trim(tag, height),
        }
    }
}
