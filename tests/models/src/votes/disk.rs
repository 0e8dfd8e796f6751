//! The two files that remember votes, with what a power cut and a bad disk do to them.

use super::{
    mutation::Mutation,
    vote::{Known, Record},
};
use catenary_consensus::Mark;
use catenary_crypto::Hash;
use catenary_journal::{guard, journal::ChainTag};
use catenary_replica::{Copies, Memory};

/// The chain in the guard's file.
const CHAIN: ChainTag = ChainTag(Hash([1; 32]));

/// The journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Journal {
    /// Whether there are files.
    pub exists: bool,
    /// Records of earlier lives.
    pub older: Vec<Record>,
    /// Number of the first batch of this life.
    pub first_batch: u8,
    /// Batches of this life, flushed.
    pub batches: Vec<Vec<Record>>,
    /// The batch that is being written.
    pub writing: Option<Vec<Record>>,
    /// Up to which height records were lost to damage that shows; it shows at every start.
    pub lost_to: Option<u8>,
}

/// The guard's file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Guard {
    /// Marks with the batches that hold what was signed; 0 for those that count whatever the journal holds.
    pub records: Vec<(Known, u8)>,
    /// The record that is being written.
    pub writing: Option<(Known, u8)>,
    /// A record does not read.
    pub is_damaged: bool,
}

/// All that is left when the power is gone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Disk {
    /// The votes' first copy.
    pub journal: Journal,
    /// The second.
    pub guard: Guard,
    /// The newest block of the block log.
    pub tip: u8,
}

/// What a start finds.
pub struct Found {
    /// The copies, as the production code judges them.
    pub copies: Copies,
    /// The newest mark that reads, with its batch.
    pub newest: Option<(Known, u8)>,
}

/// How far a start comes with the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Begun {
    /// The guard is begun anew.
    Guard,
    /// So is the journal.
    Both,
    /// Half of the mark is there that says that votes are lost.
    HalfLoss,
    /// All that comes before the first vote is on the disk.
    All,
}

/// What becomes of a write that a power cut interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cut {
    /// It is there.
    Kept,
    /// It is not.
    Lost,
    /// Half of it is there. A half batch of the journal counts as none, so this is for the guard alone.
    Torn,
}

impl Journal {
    /// The number of the first batch that is not there.
    pub fn end(&self) -> u8 {
        self.first_batch + self.batches.len() as u8
    }

    /// All records, oldest first.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.older.iter().chain(self.batches.iter().flatten())
    }

    /// Forgets what the block log holds.
    pub fn trim(&mut self, tip: u8) {
        let is_needed = |record: &Record| record.height() > tip;
        self.older.retain(is_needed);
        self.batches.iter_mut().for_each(|batch| batch.retain(is_needed));
        self.lost_to = self.lost_to.filter(|height| *height > tip);
    }

    /// Ends the flush.
    pub fn flush(&mut self) {
        self.batches.extend(self.writing.take());
    }
}

impl Guard {
    /// Ends the flush.
    pub fn flush(&mut self) {
        self.records.extend(self.writing.take());
    }

    /// The file's bytes: a damaged record has a flipped bit.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = guard::file(&guard::Marks::new());
        for (known, batch) in &self.records {
            let marked = guard::Marked { mark: known.mark().encode(), batch: (*batch).into() };
            bytes.extend_from_slice(&guard::record(CHAIN, &marked));
        }
        if self.is_damaged {
            let marked = guard::Marked { mark: Mark::nothing().encode(), batch: 0 };
            let mut record = guard::record(CHAIN, &marked);
            record[0] ^= 1;
            bytes.extend_from_slice(&record);
        }
        bytes
    }
}

impl Disk {
    /// The disk of a validator whose key was just made.
    pub(super) fn of_new_key() -> Self {
        let guard = Guard { records: vec![(Known::Nothing, 0)], writing: None, is_damaged: false };
        let journal = Journal { exists: true, first_batch: 1, ..Journal::default() };
        Self { journal, guard, tip: 0 }
    }

    /// The power goes.
    pub fn cut(&mut self, journal: Cut, guard: Cut) {
        let batch = self.journal.writing.take().filter(|_| journal == Cut::Kept);
        self.journal.batches.extend(batch);
        let record = self.guard.writing.take();
        self.guard.is_damaged |= record.is_some() && guard == Cut::Torn;
        self.guard.records.extend(record.filter(|_| guard == Cut::Kept));
    }

    /// Scans both files.
    pub fn scan(&self, mutation: Option<Mutation>) -> Found {
        let is_clean = self.journal.lost_to.is_none();
        let knows_end = self.journal.exists && is_clean && mutation != Some(Mutation::UnsentMarkCounts);
        let end = knows_end.then(|| self.journal.end().into());
        let scan = guard::scan(&self.guard.bytes(), end).expect("this build wrote it");
        let mark = scan.marks.get(&CHAIN).and_then(Mark::decode);
        let is_found = |known: &&(Known, u8)| Some(known.0.mark()) == mark;
        let is_suspect = self.journal.lost_to.is_some_and(|height| height > self.tip);
        let copies = Copies {
            mark,
            guard_whole: scan.complete || mutation == Some(Mutation::TornGuardIsWhole),
            journal_whole: (self.journal.exists && !is_suspect) || mutation == Some(Mutation::DamageIsNoLoss),
        };
        Found { copies, newest: self.guard.records.iter().find(is_found).copied() }
    }

    /// Begins the files anew with what was found, as far as a start comes; the guard is first.
    pub fn begin(&mut self, found: &Found, begun: Begun, mutation: Option<Mutation>) {
        let keeps_number = mutation == Some(Mutation::BatchNumbersStay);
        let anew = |(known, batch): (Known, u8)| (known, if keeps_number { batch } else { 0 });
        let records = found.newest.map(anew).into_iter().collect();
        self.guard = Guard { records, writing: None, is_damaged: false };
        if begun == Begun::Guard {
            return;
        }
        let journal = &mut self.journal;
        // No number of an earlier life is compared with any of this one, so that all lives may count from one.
        journal.first_batch = if keeps_number && journal.exists { journal.end() } else { 1 };
        journal.older.extend(std::mem::take(&mut journal.batches).into_iter().flatten());
        journal.exists = true;
        match (found.loss(), begun) {
            (Some(_), Begun::HalfLoss) => self.guard.is_damaged = true,
            (Some(loss), Begun::All) if mutation != Some(Mutation::LossNotNoted) => {
                self.guard.records.push((loss, 0));
            }
            _ => {}
        }
    }
}

impl Found {
    /// The mark to go on from.
    pub fn mark(&self) -> Option<Known> {
        let (_, mark) = self.copies.recall();
        let newest = self.newest.map(|(known, _)| known).filter(|known| mark == Some(known.mark()));
        newest.or_else(|| self.loss())
    }

    /// The mark that the guard must hold before anything else happens, if the votes are lost and it does not say so yet.
    pub fn loss(&self) -> Option<Known> {
        let (memory, mark) = self.copies.recall();
        let noted = mark.filter(|mark| memory == Memory::Lost && Some(*mark) != self.copies.mark);
        noted.map(|mark| Known::Forgotten(mark.height.0 as u8))
    }
}
