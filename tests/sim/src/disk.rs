//! A node's disk: the real bytes of journal, guard and block logs, of which a crash keeps what was flushed and a piece of
//! what was not.

use catenary_journal::{
    block_log::{self, Identity},
    guard::{self, MARK_LEN, Marked, Marks},
    journal::{self, ChainTag, JournalId, Record, Repair, Report, SegmentSummary},
};
use catenary_mutant::{Mutant, is_active};
use catenary_replica::note_losses;
use rand::{Rng, rngs::StdRng};
use std::collections::BTreeMap;

/// A file whose end may not be flushed.
#[derive(Clone, Default)]
pub struct File {
    bytes: Vec<u8>,
    flushed: usize,
}

impl File {
    fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn flush(&mut self) {
        self.flushed = self.bytes.len();
    }

    /// Keeps what was flushed and some bytes of the rest.
    fn crash(&mut self, rng: &mut StdRng) {
        let kept = rng.random_range(self.flushed..=self.bytes.len());
        self.bytes.truncate(kept);
    }

    /// Damages what was flushed, if there is anything.
    fn damage(&mut self, damage: Damage, rng: &mut StdRng) {
        if self.flushed == 0 {
            return;
        }
        let at = rng.random_range(0..self.flushed);
        let sector = at - at % SECTOR_BYTES..(at - at % SECTOR_BYTES + SECTOR_BYTES).min(self.flushed);
        match damage {
            Damage::Flip => self.bytes[at] ^= 1 << rng.random_range(0..8),
            Damage::Zeroes => self.bytes[sector].fill(0),
            Damage::Misplaced => {
                let from = rng.random_range(0..=self.flushed - sector.len());
                let other = self.bytes[from..from + sector.len()].to_vec();
                self.bytes[sector].copy_from_slice(&other);
            }
        }
    }
}

/// What a disk does to what was flushed.
#[derive(Clone, Copy, Debug)]
pub enum Damage {
    /// One bit is another.
    Flip,
    /// A sector reads as zeroes.
    Zeroes,
    /// In a sector stands what belongs elsewhere.
    Misplaced,
}

/// Bytes of a sector.
const SECTOR_BYTES: usize = 512;
/// Bytes of a journal segment: few, so that segments come and go.
const SEGMENT_BYTES: u64 = 16 * 1024;

/// Records that wait for somebody to sign; more are written without.
const QUEUED_MAX: usize = 256;

/// The block log of one chain, in one segment.
struct Log {
    file: File,
    writer: Option<block_log::SegmentWriter>,
    identity: Identity,
    /// The newest block that is flushed, and that is written.
    heights: (u64, u64),
}

/// A block with its certificate, encoded.
pub type LoggedBlock = (Vec<u8>, Vec<u8>);

/// Everything a node keeps.
pub struct Disk {
    segments: BTreeMap<u64, File>,
    writer: Option<journal::SegmentWriter>,
    /// What the segment being written holds.
    current: SegmentSummary,
    /// Segments that somebody may need.
    closed: Vec<SegmentSummary>,
    /// Segments that the inventory being written no longer lists.
    trimmed: Vec<u64>,
    /// The height of each chain up to which the block log has everything.
    logged: BTreeMap<ChainTag, u64>,
    /// Records that wait for a flush.
    queued: Vec<Record>,
    guard: File,
    /// Marks that wait for a flush.
    raised: Vec<(ChainTag, [u8; MARK_LEN])>,
    logs: Vec<Log>,
    /// Whether there was a journal when the node was started last.
    pub journal_existed: bool,
}

/// What a start finds.
pub struct Found {
    /// The journal's records.
    pub records: Vec<Record>,
    /// What was wrong with it.
    pub report: Report,
    /// The guard's marks.
    pub marks: Marks,
    /// Whether every one of them reads.
    pub guard_whole: bool,
    /// How many were never sent.
    pub unsent: usize,
    /// Of each chain, the blocks from height 1 on, up to the first that is damaged.
    pub blocks: Vec<Vec<LoggedBlock>>,
    /// Of how many chains the log was damaged.
    pub damaged_logs: usize,
}

impl Disk {
    /// An empty disk for these chains.
    pub fn new(identities: Vec<Identity>) -> Self {
        let log = |identity| Log { file: File::default(), writer: None, identity, heights: (0, 0) };
        Self {
            segments: BTreeMap::new(),
            writer: None,
            current: SegmentSummary::default(),
            closed: Vec::new(),
            trimmed: Vec::new(),
            logged: BTreeMap::new(),
            queued: Vec::new(),
            guard: File::default(),
            raised: Vec::new(),
            logs: identities.into_iter().map(log).collect(),
            journal_existed: false,
        }
    }

    /// Queues journal records.
    pub fn append(&mut self, records: impl IntoIterator<Item = Record>) {
        self.queued.extend(records);
    }

    /// Whether so much is queued that it is written though nobody waits for it.
    pub fn has_much_queued(&self) -> bool {
        self.queued.len() >= QUEUED_MAX
    }

    /// Raises a mark, which waits for a flush.
    pub fn raise(&mut self, chain: ChainTag, mark: [u8; MARK_LEN]) {
        self.raised.push((chain, mark));
    }

    /// Whether the journal goes on in another segment.
    pub fn segment_is_full(&self) -> bool {
        self.writer.as_ref().is_some_and(|writer| writer.len() >= SEGMENT_BYTES)
    }

    /// Begins the next segment, to be flushed with [`Self::flush_journal`].
    pub fn begin_segment(&mut self) {
        let Some(writer) = &self.writer else { return };
        let (journal, number, batch) = (writer.journal(), writer.number() + 1, writer.next_batch());
        self.closed.push(std::mem::replace(
            &mut self.current,
            SegmentSummary { number, ..SegmentSummary::default() },
        ));
        let (writer, header) = journal::SegmentWriter::create(journal, number, batch, &numbers(&self.closed));
        let mut file = File::default();
        file.append(&header);
        self.segments.insert(number, file);
        self.writer = Some(writer);
    }

    /// Writes what is queued for the journal, to be flushed later; gives the number of its batch, 0 if there is none.
    pub fn write_journal(&mut self) -> u64 {
        let Some(writer) = self.writer.as_mut().filter(|_| !self.queued.is_empty()) else { return 0 };
        let number = writer.next_batch();
        let queued = std::mem::take(&mut self.queued);
        let needless = self.closed.extract_if(.., |segment| segment.is_flushed(&self.logged));
        self.trimmed.extend(needless.map(|segment| segment.number));
        let live = (!self.trimmed.is_empty()).then(|| numbers(&self.closed));
        let mut bytes = Vec::new();
        writer.append(&queued, live.as_deref(), &mut bytes).expect("records fit a batch");
        self.segments.entry(writer.number()).or_default().append(&bytes);
        queued.iter().for_each(|record| self.current.add(record.chain, record.height));
        number
    }

    /// Writes raised marks to the guard, each with its journal batch, to be flushed later.
    pub fn write_guard(&mut self, batch: u64) {
        if self.guard.bytes.is_empty() {
            self.guard.append(&guard::file(&Marks::new()));
        }
        for (chain, mark) in std::mem::take(&mut self.raised) {
            self.guard.append(&guard::record(chain, &Marked { mark, batch }));
        }
    }

    /// Flushes the journal.
    pub fn flush_journal(&mut self) {
        if !is_active(Mutant::FlushSkipped) {
            self.segments.values_mut().for_each(File::flush);
        }
    }

    /// Deletes what the flushed inventory no longer lists; gives how many segments that are.
    pub fn delete_trimmed(&mut self) -> usize {
        let trimmed = std::mem::take(&mut self.trimmed);
        trimmed.iter().for_each(|number| drop(self.segments.remove(number)));
        trimmed.len()
    }

    /// The block log of a chain has everything up to there, so the journal need not.
    pub fn trim(&mut self, chain: ChainTag, flushed: u64) {
        let logged = self.logged.entry(chain).or_default();
        *logged = flushed.max(*logged);
    }

    /// Flushes the guard.
    pub fn flush_guard(&mut self) {
        if !is_active(Mutant::GuardFlushSkipped) {
            self.guard.flush();
        }
    }

    /// Writes a block, to be flushed later.
    pub fn log(&mut self, chain: usize, block: &[u8], certificate: &[u8]) {
        self.logs[chain].append(block, certificate);
    }

    /// Flushes a block log; gives the height up to which it is.
    pub fn flush_log(&mut self, chain: usize) -> u64 {
        self.logs[chain].flush()
    }

    /// The power goes: what was being written is there in part.
    pub fn crash(&mut self, rng: &mut StdRng) {
        self.queued.clear();
        self.raised.clear();
        self.segments.values_mut().for_each(|file| file.crash(rng));
        self.guard.crash(rng);
        self.logs.iter_mut().for_each(|log| log.file.crash(rng));
        self.trimmed.clear();
        self.writer = None;
    }

    /// Everything is gone.
    pub fn wipe(&mut self) {
        let identities = self.logs.drain(..).map(|log| log.identity).collect();
        *self = Self::new(identities);
    }

    /// Journal and guard are gone.
    pub fn lose_votes(&mut self) {
        self.segments.clear();
        self.guard = File::default();
    }

    /// Damages one file.
    pub fn damage(&mut self, damage: Damage, rng: &mut StdRng) {
        let files = self.segments.len() + 1 + self.logs.len();
        // What is written now is damaged more often than what was written long ago.
        let newest = self.segments.len().saturating_sub(1);
        let at = if rng.random_bool(0.5) { newest } else { rng.random_range(0..files) };
        let files = self.segments.values_mut().chain([&mut self.guard]);
        let mut files = files.chain(self.logs.iter_mut().map(|log| &mut log.file));
        files.nth(at).expect("one of them").damage(damage, rng);
    }

    /// Scans, repairs and opens everything, as a node's start does.
    pub fn open(&mut self, draw: [u8; 16], chains: &[ChainTag], is_new: bool) -> Found {
        self.journal_existed = !self.segments.is_empty();
        let mut scanner = journal::Scanner::new(self.segments.keys().copied());
        for (number, file) in &self.segments {
            scanner.segment(*number, &file.bytes).expect("no other version ever ran");
        }
        let scan = scanner.finish();
        for step in scan.repair {
            match step {
                Repair::Truncate { segment, length } => {
                    if let Some(file) = self.segments.get_mut(&segment) {
                        file.bytes.truncate(length as usize);
                    }
                }
                Repair::Remove { segment } => drop(self.segments.remove(&segment)),
            }
        }
        self.segments.values_mut().for_each(File::flush);
        let end = (scan.report.is_clean() && scan.next.batch > 0).then_some(scan.next.batch);
        let mut guard = match self.guard.bytes.is_empty() {
            true => guard::Scan { marks: Marks::new(), complete: true, unsent: 0 },
            false => guard::scan(&self.guard.bytes, end).expect("no other version ever ran"),
        };
        let journal_whole = |chain| (self.journal_existed || is_new) && !scan.report.is_suspect(chain, 0);
        note_losses(&mut guard.marks, guard.complete, chains.iter().copied(), journal_whole);
        self.guard.bytes = guard::file(&guard.marks);
        self.guard.flush();
        let live = numbers(&scan.segments);
        let id = scan.next.journal.unwrap_or(JournalId(draw));
        let (writer, header) = journal::SegmentWriter::create(id, scan.next.number, scan.next.batch, &live);
        let mut file = File::default();
        file.append(&header);
        file.flush();
        self.current = SegmentSummary { number: writer.number(), ..SegmentSummary::default() };
        self.closed = scan.segments;
        self.logged.clear();
        self.segments.insert(writer.number(), file);
        self.writer = Some(writer);

        let (mut blocks, mut damaged_logs) = (Vec::new(), 0);
        for log in &mut self.logs {
            let (whole, damaged) = log.open();
            damaged_logs += usize::from(damaged);
            blocks.push(whole);
        }
        Found {
            records: scan.records,
            report: scan.report,
            marks: guard.marks,
            guard_whole: guard.complete,
            unsent: guard.unsent,
            blocks,
            damaged_logs,
        }
    }
}

fn numbers(segments: &[SegmentSummary]) -> Vec<u64> {
    segments.iter().map(|segment| segment.number).collect()
}

impl Log {
    /// Scans the log. One that is damaged begins anew with the blocks before the damage: the others have the rest.
    fn open(&mut self) -> (Vec<LoggedBlock>, bool) {
        if self.file.bytes.is_empty() {
            (self.writer, self.heights) = (None, (0, 0));
            return (Vec::new(), false);
        }
        let mut scanner = block_log::Scanner::new(self.identity.clone(), [1]);
        scanner.segment(1, &self.file.bytes).expect("no other version ever ran");
        let scan = scanner.finish();
        let mut blocks: Vec<LoggedBlock> = Vec::new();
        for located in &scan.blocks {
            if located.height != blocks.len() as u64 + 1 {
                break;
            }
            let bytes = &self.file.bytes[located.offset as usize..];
            match block_log::decode_entry(&self.identity, 1, located.offset, bytes) {
                Ok(entry) => blocks.push((entry.block, entry.certificate)),
                Err(_) => break,
            }
        }
        let damaged = !scan.report.is_clean();
        (self.file, self.writer, self.heights) = (File::default(), None, (0, 0));
        blocks.iter().for_each(|(block, certificate)| self.append(block, certificate));
        self.flush();
        (blocks, damaged)
    }

    fn append(&mut self, block: &[u8], certificate: &[u8]) {
        let Self { file, writer, identity, heights } = self;
        let writer = writer.get_or_insert_with(|| {
            let first = identity.first_chain_hash();
            let (writer, header) = block_log::SegmentWriter::create(identity.clone(), 1, first);
            file.append(&header);
            writer
        });
        let mut bytes = Vec::new();
        let located = writer.append(block, certificate, heights.0, &mut bytes).expect("a block fits its log");
        file.append(&bytes);
        heights.1 = located.height;
    }

    /// Flushes; gives the height up to which the log is on the disk.
    fn flush(&mut self) -> u64 {
        self.file.flush();
        self.heights.0 = self.heights.1;
        self.heights.0
    }
}
