//! One chain's part of the node's journal: what is appended, and what a rebuild of the chain needs of it.

use catenary_consensus::{Mark, journal::Record as ConsensusRecord, raft};
use catenary_journal::{
    guard::Marked,
    journal::{ChainTag, Record},
};
use catenary_replica::{
    Recovered, Tail, UnreadableRecord, body_record, consensus_record, flushed_record, raft_record,
};
use catenary_store::{
    failpoint::{Failpoint, reached},
    guard::Guard,
    journal::{Beside, Journal, JournalError, Refused, Urgency},
};
use catenary_types::{Block, ChainId, Height};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The journal as one chain uses it; cheap to clone.
///
/// Keeps the records of undecided heights in memory too, so that a chain that fell can be rebuilt while the node runs.
/// Whoever rebuilds it takes the journal over: from then on nothing of the chain's earlier life gets in, and so nothing
/// that it still signs gets out.
#[derive(Clone)]
pub struct ChainJournal {
    journal: Journal,
    guard: Guard,
    chain: ChainTag,
    life: u64,
    present: Arc<Mutex<Present>>,
}

/// What the journal holds of a chain, and for whom.
#[derive(Default)]
struct Present {
    /// The life of the chain that may append.
    life: u64,
    tail: Tail,
    /// Blocks up to here are flushed in the block log.
    flushed: Height,
    /// A Raft log needs the records above this height, whatever is flushed.
    held: Option<Height>,
}

/// The tag of a chain in the journal.
pub fn chain_tag(chain_id: &ChainId) -> ChainTag {
    ChainTag::of(chain_id.as_str())
}

impl ChainJournal {
    /// The part of a chain, with what a scan of the journal found of it.
    pub fn new(journal: Journal, guard: Guard, chain_id: &ChainId, found: Vec<Record>) -> Self {
        let mut present = Present::default();
        present.tail.extend(found);
        Self { journal, guard, chain: chain_tag(chain_id), life: 0, present: Arc::new(Mutex::new(present)) }
    }

    /// The journal for the chain's next life; handles of earlier ones append nothing any more.
    pub fn take_over(&self) -> Self {
        let mut present = self.present();
        present.life += 1;
        Self { life: present.life, ..self.clone() }
    }

    /// Appends a body.
    pub fn append_body(&self, block: &Block) -> Result<(), Refused> {
        // Whatever waits for the body is appended later and waits for its own records.
        let body = body_record(self.chain, block);
        self.append(Urgency::Later, vec![body], None, Box::new(|_| ()))
    }

    /// Appends what one step of consensus left: for at once if it signed, with its mark to the guard at the same time, else
    /// for when it does. `on_durable` runs on the writer's thread, once both are on the disk.
    pub fn append_step(
        &self,
        records: Vec<ConsensusRecord>,
        mark: Option<Mark>,
        on_durable: Box<dyn FnOnce(Result<(), JournalError>) + Send>,
    ) -> Result<(), Refused> {
        let record = |record: ConsensusRecord| consensus_record(self.chain, record);
        let records = records.into_iter().map(record).collect();
        let Some(mark) = mark else { return self.append(Urgency::Later, records, None, on_durable) };
        let (guard, chain) = (self.guard.clone(), self.chain);
        let beside: Beside = Box::new(move |batch, done| {
            let marked = Marked { mark: mark.encode(), batch };
            // The journal's writer waits for it.
            guard.raise(chain, marked, Box::new(move |result| drop(done.send(result))));
        });
        self.append(Urgency::AtOnce, records, Some(beside), on_durable)
    }

    /// Appends changes of the chain's Raft log, for at once.
    pub(crate) fn append_raft(
        &self,
        records: Vec<(Height, raft::Record)>,
        on_durable: Box<dyn FnOnce(Result<(), JournalError>) + Send>,
    ) -> Result<(), Refused> {
        let record = |(height, record): (Height, raft::Record)| raft_record(self.chain, height, &record);
        self.append(Urgency::AtOnce, records.into_iter().map(record).collect(), None, on_durable)
    }

    /// The chain has a Raft log, whose records are kept until they are released.
    pub(crate) fn hold(&self) {
        self.present().held.get_or_insert_default();
    }

    /// The chain's Raft log no longer needs the records up to this height.
    pub(crate) fn release(&self, height: Height) {
        let flushed = {
            let mut present = self.present();
            present.held = present.held.max(Some(height));
            present.flushed
        };
        self.trim(flushed);
    }

    /// Up to where blocks are flushed in the block log.
    pub(crate) fn flushed(&self) -> Height {
        self.present().flushed
    }

    /// The changes of the chain's Raft log, in the order in which they were made.
    pub(crate) fn raft(&self) -> Result<Vec<(Height, raft::Record)>, UnreadableRecord> {
        self.present().tail.raft()
    }

    /// What a rebuild of the chain starts from: everything above its newest stored block.
    pub fn recovered(&self) -> Result<Recovered, UnreadableRecord> {
        self.present().tail.recovered()
    }

    /// See [`Tail::decided_beyond`].
    pub fn decided_beyond(&self, tip: Height) -> Option<Height> {
        self.present().tail.decided_beyond(tip)
    }

    /// Remembers how far the block log is flushed, so that its end is missed if it goes; then trims up to there. May wait,
    /// so it is not for actors.
    pub fn opened(&self, flushed: Height) -> Result<(), Refused> {
        if flushed > Height(0) {
            reached(Failpoint::AppendFlushed);
            self.journal.append(vec![flushed_record(self.chain, flushed)], Box::new(|_| ()))?;
            self.trim(flushed);
        }
        Ok(())
    }

    /// Blocks up to this height are flushed in the block log; their records are no longer needed.
    pub fn trim(&self, flushed: Height) {
        let upto = {
            let mut present = self.present();
            present.flushed = flushed.max(present.flushed);
            let upto = present.held.map_or(flushed, |held| held.min(flushed));
            present.tail.trim(upto);
            upto
        };
        self.journal.trim(self.chain, upto.0);
    }

    /// The chain is gone: nothing of it is needed any more.
    pub fn discard(&self) {
        self.present().held = None;
        // One more would overflow where the next height is asked for.
        self.trim(Height(u64::MAX - 1));
    }

    fn append(
        &self,
        urgency: Urgency,
        records: Vec<Record>,
        beside: Option<Beside>,
        on_durable: Box<dyn FnOnce(Result<(), JournalError>) + Send>,
    ) -> Result<(), Refused> {
        let mut present = self.present();
        if present.life != self.life {
            return Err(Refused { reason: JournalError::Closed.into(), records, on_durable });
        }
        present.tail.extend(records.iter().cloned());
        drop(present);
        match beside {
            None => self.journal.try_append(urgency, records, on_durable),
            Some(beside) => self.journal.try_append_beside(records, beside, on_durable),
        }
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use catenary_store::{guard::GuardWriter, journal::JournalWriter};
    use std::sync::mpsc;

    fn append(journal: &ChainJournal, height: u64) -> Result<(), Refused> {
        let (done, wait) = mpsc::channel();
        let record = ConsensusRecord { height: Height(height), bytes: vec![1] };
        let on_durable = Box::new(move |result: Result<(), _>| done.send(result).unwrap());
        journal.append_step(vec![record], None, on_durable)?;
        wait.recv().unwrap().unwrap();
        Ok(())
    }

    #[test]
    fn an_earlier_life_of_a_chain_gets_nothing_in_once_the_next_has_begun() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, ..) = JournalWriter::open(&folder.path().join("journal"), Default::default()).unwrap();
        let (guard, _) = GuardWriter::open(&folder.path().join("guard"), None).unwrap();
        let chain_id = "bank-0123456789abcdef-1".parse().unwrap();
        let journal = ChainJournal::new(writer.journal(), guard.guard(), &chain_id, Vec::new());
        let first = journal.take_over();
        append(&first, 1).unwrap();
        let second = journal.take_over();
        assert!(append(&first, 2).is_err(), "it would be signed by both");
        append(&second, 3).unwrap();
        let heights: Vec<_> = second.recovered().unwrap().records.iter().map(|one| one.height.0).collect();
        assert_eq!(heights, [1, 3]);
    }
}
