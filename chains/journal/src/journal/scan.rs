//! Scans a whole journal, one segment at a time.

use super::record::{ChainTag, JournalId, Record};
use super::report::{Cause, Damage, Lost, Repair, Report, TornTail};
use super::segment::{FIRST_BATCH_OFFSET, SegmentHeader};
use super::walk::{self, Batch};
use crate::doubled::{Doubled, HeaderRead};
use crate::layout::UnsupportedVersion;
use crate::tear;
use std::collections::BTreeMap;

/// Reads segments in ascending order of their numbers.
///
/// ```text
/// for number in numbers { scanner.segment(number, &bytes_of(number))?; }
/// let scan = scanner.finish();
/// ```
#[derive(Debug)]
pub struct Scanner {
    last: Option<u64>,
    segments: BTreeMap<u64, Segment>,
    report: Report,
    repair: Vec<Repair>,
}

/// Result of a scan.
#[derive(Debug)]
pub struct Scan {
    /// Every record that reads, in the order in which they were appended.
    pub records: Vec<Record>,
    /// The segments that stay, in order, and those that should exist and do not.
    pub segments: Vec<SegmentSummary>,
    /// Torn tail and damage.
    pub report: Report,
    /// What to do before anything is appended.
    pub repair: Vec<Repair>,
    /// How the next segment starts. Every opening starts one, so that a damaged end is never written to.
    pub next: Next,
}

/// What a segment holds, which is what decides how long it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentSummary {
    /// Number of the segment.
    pub number: u64,
    /// Highest height per chain, lost records included.
    pub heights: BTreeMap<ChainTag, u64>,
    /// It lost records of nobody knows which chain. It stays, so that the loss is reported again at every
    /// start, until the host says that all its chains have moved on. The file itself may be what is missing.
    pub unresolved: bool,
}

impl SegmentSummary {
    /// Counts a record.
    pub fn add(&mut self, chain: ChainTag, height: u64) {
        let highest = self.heights.entry(chain).or_default();
        *highest = height.max(*highest);
    }

    /// Whether every record is at or below the flushed height of its chain, so that nobody needs the segment.
    pub fn is_flushed(&self, flushed: &BTreeMap<ChainTag, u64>) -> bool {
        let flushed = |(chain, height)| flushed.get(chain).is_some_and(|flushed| height <= flushed);
        !self.unresolved && self.heights.iter().all(flushed)
    }
}

/// How the next segment starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// The journal's id; `None` if no segment says one, then the caller draws one.
    pub journal: Option<JournalId>,
    /// Number of the next segment.
    pub number: u64,
    /// Number of its first batch.
    pub batch: u64,
}

#[derive(Debug, Default)]
struct Segment {
    /// `None` if the header does not read.
    header: Option<SegmentHeader>,
    next_batch: u64,
    inventory: Option<Vec<u64>>,
    summary: SegmentSummary,
    records: Vec<Record>,
    damage: Vec<Damage>,
}

impl Scanner {
    /// A scan of the segments with these numbers.
    pub fn new(numbers: impl IntoIterator<Item = u64>) -> Self {
        Self {
            last: numbers.into_iter().max(),
            segments: BTreeMap::new(),
            report: Report::default(),
            repair: Vec::new(),
        }
    }

    /// Reads one whole segment.
    pub fn segment(&mut self, number: u64, bytes: &[u8]) -> Result<(), UnsupportedVersion> {
        let is_last = self.last == Some(number);
        let mut segment =
            Segment { summary: SegmentSummary { number, ..Default::default() }, ..Default::default() };
        let mut report = |offset: usize, cause, lost| {
            segment.damage.push(Damage { segment: number, offset: offset as u64, cause, lost });
        };
        if is_last && tear::is_torn(bytes, 0, 0, FIRST_BATCH_OFFSET) {
            self.tear(number, 0, bytes);
            return Ok(());
        }
        let header = match SegmentHeader::read(bytes)? {
            HeaderRead::Good(header) => Some(header),
            HeaderRead::OneBad(header, offset) => {
                report(offset, Cause::SegmentHeader, Lost::Nothing);
                Some(header)
            }
            HeaderRead::Bad => {
                report(0, Cause::SegmentHeader, Lost::Unknown);
                None
            }
        };
        match header {
            Some(header) if header.place.segment != number => report(0, Cause::Misnamed, Lost::Unknown),
            Some(header) => {
                let mut batches = walk::batches(header.place, bytes, header.first_batch);
                if is_last && let Some(start) = torn_at(&batches, header.first_batch, bytes) {
                    self.tear(number, start, bytes);
                    if start == FIRST_BATCH_OFFSET {
                        return Ok(());
                    }
                    batches.pop();
                }
                segment.header = Some(header);
                segment.read(batches);
            }
            None => {}
        }
        self.segments.insert(number, segment);
        Ok(())
    }

    /// Draws the conclusions that need more than one segment.
    pub fn finish(mut self) -> Scan {
        let inventory = self.segments.last_key_value().and_then(|(_, newest)| newest.inventory.clone());
        if let Some(live) = inventory {
            self.apply_inventory(&live);
        }
        let journal = self.newest_header().map(|header| header.place.journal);
        self.check_neighbours(journal);

        let batch = self.segments.values().map(|segment| segment.next_batch).max().unwrap_or(0).max(1);
        let number = self.segments.last_key_value().map_or(1, |(number, _)| number.saturating_add(1));
        let mut scan = Scan {
            records: Vec::new(),
            segments: Vec::new(),
            report: self.report,
            repair: self.repair,
            next: Next { journal, number, batch },
        };
        let mut summaries = BTreeMap::new();
        for (number, segment) in self.segments {
            scan.records.extend(segment.records);
            scan.report.damage.extend(segment.damage);
            summaries.insert(number, segment.summary);
        }
        for damage in &scan.report.damage {
            let number = damage.segment;
            let summary = summaries.entry(number).or_insert(SegmentSummary { number, ..Default::default() });
            match &damage.lost {
                Lost::Nothing => {}
                Lost::Records(records) => {
                    records.iter().for_each(|&(chain, height)| summary.add(chain, height))
                }
                Lost::Unknown => summary.unresolved = true,
            }
        }
        scan.segments = summaries.into_values().collect();
        scan.report.damage.sort_by_key(|damage| (damage.segment, damage.offset));
        scan
    }

    /// Names a torn tail. A segment of which nothing is left was only being created, and is removed.
    fn tear(&mut self, segment: u64, start: usize, bytes: &[u8]) {
        let offset = start as u64;
        self.report.torn = Some(TornTail { segment, offset, length: (bytes.len() - start) as u64 });
        self.repair.push(if start <= FIRST_BATCH_OFFSET {
            Repair::Remove { segment }
        } else {
            Repair::Truncate { segment, length: offset }
        });
    }

    /// The newest inventory counts: older segments outside it were trimmed, those in it must be there.
    fn apply_inventory(&mut self, live: &[u64]) {
        let newest = self.segments.last_key_value().map(|(number, _)| *number);
        let repair = &mut self.repair;
        self.segments.retain(|number, _| {
            let stays = Some(*number) == newest || live.contains(number);
            if !stays {
                repair.push(Repair::Remove { segment: *number });
            }
            stays
        });
        for &segment in live.iter().filter(|number| !self.segments.contains_key(number)) {
            let (cause, lost) = (Cause::MissingSegment, Lost::Unknown);
            self.report.damage.push(Damage { segment, offset: 0, cause, lost });
        }
    }

    fn newest_header(&self) -> Option<&SegmentHeader> {
        self.segments.values().rev().find_map(|segment| segment.header.as_ref())
    }

    /// Segments of another journal are not served; neighbours must be consecutive.
    fn check_neighbours(&mut self, journal: Option<JournalId>) {
        let mut previous: Option<(u64, u64)> = None;
        for (&number, segment) in &mut self.segments {
            let Some(header) = segment.header else {
                previous = None;
                continue;
            };
            let damage = |cause| Damage { segment: number, offset: 0, cause, lost: Lost::Unknown };
            if Some(header.place.journal) != journal {
                segment.records.clear();
                segment.damage = vec![damage(Cause::Foreign)];
            } else if previous.is_some_and(|(before, batch)| {
                before.checked_add(1) == Some(number) && batch != header.first_batch
            }) {
                segment.damage.push(damage(Cause::MissingBatches));
            }
            previous = Some((number, segment.next_batch));
        }
    }
}

impl Segment {
    fn read(&mut self, batches: Vec<Batch>) {
        let first_batch = self.header.map_or(0, |header| header.first_batch);
        self.next_batch = walk::next_batch(&batches, first_batch);
        let mut expected = first_batch;
        let numbers: Vec<u64> = batches.iter().map(|batch| batch.number).collect();
        for (position, batch) in batches.into_iter().enumerate() {
            let segment = self.summary.number;
            if batch.number != expected {
                let (cause, offset) = (Cause::MissingBatches, batch.start as u64);
                self.damage.push(Damage { segment, offset, cause, lost: Lost::Unknown });
            }
            expected = batch.number.saturating_add(1);
            let next_starts = numbers.get(position + 1).is_none_or(|&next| next == expected);
            self.damage.extend(batch.damage(segment, next_starts));
            batch.heights().for_each(|(chain, height)| self.summary.add(chain, height));
            self.inventory = batch.inventory.or(self.inventory.take());
            self.records.extend(batch.records);
        }
    }
}

/// Where the incomplete last write starts, if the last batch is one.
fn torn_at(batches: &[Batch], first_batch: u64, segment: &[u8]) -> Option<usize> {
    match batches.last() {
        Some(batch) => batch.is_torn(segment).then_some(batch.start),
        // A header without the inventory that was written with it.
        None => (walk::next_batch(batches, first_batch) == first_batch).then_some(FIRST_BATCH_OFFSET),
    }
}
