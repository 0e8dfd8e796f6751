//! The two files that remember votes, with what a power cut and a bad disk do to them.

use super::{
    mutation::Mutation,
    vote::{Known, Record},
};
use catenary_consensus::Mark;
use catenary_crypto::Hash;
use catenary_journal::{guard, journal::ChainTag};
use catenary_replica::{Copies, Memory, note_losses};

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
    /// Up to which height records were lost to damage that shows; it shows at every start until its segment is deleted.
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
    /// What the copies tell together, as the production code judges them.
    pub memory: Memory,
    /// The mark to go on from.
    pub mark: Option<Known>,
    /// The newest mark that reads, with its batch.
    newest: Option<(Known, u8)>,
    /// The mark that says that both copies were lost, if the guard does not say so yet.
    loss: Option<Known>,
}

/// How far a start comes with the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Begun {
    /// The guard is begun anew, at once, and says so if both copies were lost.
    Guard,
    /// So is the journal.
    Both,
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
    }

    /// Whether the segment that is damaged may be deleted. It stays as long as another chain needs it.
    pub fn may_delete_damage(&self, tip: u8) -> bool {
        self.lost_to.is_some_and(|height| height <= tip)
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

    /// A mark as the model keeps it, with its batch. One that the file does not hold is that of a loss yet to be noted.
    fn find(&self, mark: Mark) -> (Known, u8) {
        let found = self.records.iter().find(|(known, _)| known.mark() == mark);
        found.copied().unwrap_or((Known::Forgotten(mark.height.0 as u8), 0))
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

    /// Scans both files. If both are lost, that is noted in the marks with which the guard is begun anew.
    pub fn scan(&self, mutation: Option<Mutation>) -> Found {
        let is_clean = self.journal.lost_to.is_none();
        let knows_end = self.journal.exists && is_clean && mutation != Some(Mutation::UnsentMarkCounts);
        let end = knows_end.then(|| self.journal.end().into());
        let mut scan = guard::scan(&self.guard.bytes(), end).expect("this build wrote it");
        let newest = |marks: &guard::Marks| marks.get(&CHAIN).and_then(Mark::decode);
        let read = newest(&scan.marks);
        let guard_whole = scan.complete || mutation == Some(Mutation::TornGuardIsWhole);
        let journal_whole =
            |is_whole| (self.journal.exists && is_whole) || mutation == Some(Mutation::DamageIsNoLoss);
        let is_noted = match mutation {
            Some(Mutation::LossNotNoted) => false,
            Some(Mutation::LossAfterRejoinNotNoted) => !read.is_some_and(|mark| mark.is_end()),
            _ => true,
        };
        if is_noted {
            // The blocks are not read yet, so that a record of any height counts as one that is needed.
            note_losses(&mut scan.marks, guard_whole, [CHAIN], |_| journal_whole(is_clean));
        }
        let mark = newest(&scan.marks);
        let is_suspect = self.journal.lost_to.is_some_and(|height| height > self.tip);
        let copies = Copies { mark, guard_whole, journal_whole: journal_whole(!is_suspect) };
        let (memory, known) = copies.recall();
        Found {
            memory,
            mark: known.map(|mark| self.guard.find(mark).0),
            newest: read.map(|mark| self.guard.find(mark)),
            loss: mark.filter(|_| mark != read).map(|mark| self.guard.find(mark).0),
        }
    }

    /// Begins the files anew with what was found, as far as a start comes; the guard is first.
    pub fn begin(&mut self, found: &Found, begun: Begun, mutation: Option<Mutation>) {
        let keeps_number = mutation == Some(Mutation::BatchNumbersStay);
        let notes_late = mutation == Some(Mutation::LossNotedLate);
        let loss = found.loss.map(|loss| (loss, 0));
        let newest = found.newest.map(|(known, batch)| (known, if keeps_number { batch } else { 0 }));
        let records = loss.filter(|_| !notes_late).or(newest).into_iter().collect();
        self.guard = Guard { records, writing: None, is_damaged: false };
        if begun == Begun::Guard {
            return;
        }
        let journal = &mut self.journal;
        // No number of an earlier life is compared with any of this one, so that all lives may count from one.
        journal.first_batch = if keeps_number && journal.exists { journal.end() } else { 1 };
        journal.older.extend(std::mem::take(&mut journal.batches).into_iter().flatten());
        journal.exists = true;
        if begun == Begun::All && notes_late {
            self.guard.records.extend(loss);
        }
    }
}
