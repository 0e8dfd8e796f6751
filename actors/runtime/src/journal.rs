//! One chain's part of the node's journal: what is appended, and what a rebuild of the chain needs of it.

use catenary_consensus::{Mark, journal::Record as ConsensusRecord};
use catenary_journal::journal::{ChainTag, Record};
use catenary_replica::Recovered;
use catenary_store::{
    FileError,
    guard::Guard,
    journal::{Journal, JournalError, Refused, Urgency},
};
use catenary_types::{Block, ChainId, Height, Message};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A block's body.
const KIND_BODY: u8 = 1;
/// An input that the consensus engine consumed.
const KIND_CONSENSUS: u8 = 2;
/// The block log held this height, flushed, when the chain was opened.
const KIND_FLUSHED: u8 = 3;

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
    tail: Arc<Mutex<Tail>>,
}

/// What the journal holds of a chain.
#[derive(Default)]
struct Tail {
    /// The life of the chain that may append.
    life: u64,
    records: BTreeMap<u64, Vec<Record>>,
}

/// A record of this chain that does not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal holds a record of height {height}, kind {kind}, that does not read: {reason}")]
pub struct UnreadableRecord {
    /// Its height.
    pub height: Height,
    /// Its kind.
    pub kind: u8,
    /// What is wrong.
    pub reason: String,
}

/// The tag of a chain in the journal.
pub fn chain_tag(chain_id: &ChainId) -> ChainTag {
    ChainTag::of(chain_id.as_str())
}

impl ChainJournal {
    /// The part of a chain, with what a scan of the journal found of it.
    pub fn new(journal: Journal, guard: Guard, chain_id: &ChainId, found: Vec<Record>) -> Self {
        let mut tail = Tail::default();
        tail.extend(found);
        Self { journal, guard, chain: chain_tag(chain_id), life: 0, tail: Arc::new(Mutex::new(tail)) }
    }

    /// The journal for the chain's next life; handles of earlier ones append nothing any more.
    pub fn take_over(&self) -> Self {
        let mut tail = self.tail();
        tail.life += 1;
        Self { life: tail.life, ..self.clone() }
    }

    /// Appends a body.
    pub fn append_body(&self, block: &Block) -> Result<(), Refused> {
        // Whatever waits for the body is appended later and waits for its own records.
        let body = self.record(block.header.height, KIND_BODY, block.encode());
        self.append(Urgency::Later, vec![body], Box::new(|_| ()))
    }

    /// Appends what one step of consensus left: for at once if it signed, else for when it does. `on_durable` runs on the writer's thread, or on the guard's: a mark is
    /// written once the records are on the disk, so that the guard never knows more than the journal.
    pub fn append_step(
        &self,
        records: Vec<ConsensusRecord>,
        mark: Option<Mark>,
        on_durable: Box<dyn FnOnce(Result<(), JournalError>) + Send>,
    ) -> Result<(), Refused> {
        let record = |record: ConsensusRecord| self.record(record.height, KIND_CONSENSUS, record.bytes);
        let records = records.into_iter().map(record).collect();
        let Some(mark) = mark else { return self.append(Urgency::Later, records, on_durable) };
        let (guard, chain) = (self.guard.clone(), self.chain);
        let then_mark = move |result: Result<(), JournalError>| match result {
            Ok(()) => {
                let on_mark =
                    move |result: Result<(), FileError>| on_durable(result.map_err(JournalError::File));
                guard.raise(chain, mark.encode(), Box::new(on_mark));
            }
            Err(error) => on_durable(Err(error)),
        };
        self.append(Urgency::AtOnce, records, Box::new(then_mark))
    }

    /// What a rebuild of the chain starts from: everything above its newest stored block.
    pub fn recovered(&self) -> Result<Recovered, UnreadableRecord> {
        let mut recovered = Recovered::default();
        for record in self.tail().records.values().flatten() {
            let height = Height(record.height);
            let failed = |reason: String| UnreadableRecord { height, kind: record.kind, reason };
            match record.kind {
                KIND_BODY => {
                    let block = Block::decode(&record.payload).map_err(|error| failed(error.to_string()))?;
                    recovered.bodies.push(block);
                }
                KIND_CONSENSUS => {
                    recovered.records.push(ConsensusRecord { height, bytes: record.payload.clone() });
                }
                KIND_FLUSHED => {}
                _ => return Err(failed("unknown kind".into())),
            }
        }
        Ok(recovered)
    }

    /// The height up to which blocks were decided as far as this journal knows, if the block log ends below it, at `tip`,
    /// and the block after `tip` is not here either.
    pub fn decided_beyond(&self, tip: Height) -> Option<Height> {
        let tail = &self.tail().records;
        let next = tip.next().0;
        let decided = |record: &Record| match record.kind {
            KIND_FLUSHED => record.height,
            _ => record.height.saturating_sub(1),
        };
        let decided = tail.range(next..).flat_map(|(_, records)| records).map(decided).max()?;
        let has_next = tail.get(&next).is_some_and(|records| records.iter().any(|one| one.kind == KIND_BODY));
        (decided > tip.0 && !has_next).then_some(Height(decided))
    }

    /// Remembers how far the block log is flushed, so that its end is missed if it goes; then trims up to there. May wait,
    /// so it is not for actors.
    pub fn opened(&self, flushed: Height) -> Result<(), Refused> {
        if flushed > Height(0) {
            self.journal.append(vec![self.record(flushed, KIND_FLUSHED, Vec::new())], Box::new(|_| ()))?;
            self.trim(flushed);
        }
        Ok(())
    }

    /// Blocks up to this height are flushed in the block log; their records are no longer needed.
    pub fn trim(&self, flushed: Height) {
        let mut tail = self.tail();
        tail.records = tail.records.split_off(&(flushed.0 + 1));
        drop(tail);
        self.journal.trim(self.chain, flushed.0);
    }

    fn record(&self, height: Height, kind: u8, payload: Vec<u8>) -> Record {
        Record { chain: self.chain, height: height.0, kind, payload }
    }

    fn append(
        &self,
        urgency: Urgency,
        records: Vec<Record>,
        on_durable: Box<dyn FnOnce(Result<(), JournalError>) + Send>,
    ) -> Result<(), Refused> {
        let mut tail = self.tail();
        if tail.life != self.life {
            return Err(Refused { reason: JournalError::Closed.into(), records, on_durable });
        }
        tail.extend(records.iter().cloned());
        drop(tail);
        self.journal.try_append(urgency, records, on_durable)
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tail {
    fn extend(&mut self, records: impl IntoIterator<Item = Record>) {
        for record in records {
            self.records.entry(record.height).or_default().push(record);
        }
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
        let (guard, _) = GuardWriter::open(&folder.path().join("guard")).unwrap();
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
