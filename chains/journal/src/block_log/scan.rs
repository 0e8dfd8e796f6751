//! Scans and verifies a whole block log, one segment at a time.

use super::entry::{self, HEAD_LEN, Head, Read};
use super::header::{FIRST_ENTRY_OFFSET, Identity, SegmentHeader};
use super::report::{Cause, Damage, Repair, Report, TornTail};
use crate::doubled::{Doubled, HeaderRead};
use crate::layout::UnsupportedVersion;
use crate::tear;
use catenary_crypto::Hash;

/// Where a block stands. Serving it needs [`super::decode_entry`], which verifies again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    /// Its height.
    pub height: u64,
    /// First height of its segment.
    pub segment: u64,
    /// Offset of its entry in the segment.
    pub offset: u64,
    /// Length of its entry in bytes.
    pub length: u64,
}

/// Where a log goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Height of the next entry.
    pub next_height: u64,
    /// Chain hash that it follows.
    pub chain_hash: Hash,
    /// First height and length of the last segment; `None` if the log has no segment yet.
    pub segment: Option<(u64, u64)>,
}

/// Result of a scan.
#[derive(Debug)]
pub struct Scan {
    /// Every block that verifies, in order of height; gaps are named in the report.
    pub blocks: Vec<Located>,
    /// Where to go on; `None` if damage at the end hides which height and hash that is.
    pub end: Option<End>,
    /// Torn tail and damage.
    pub report: Report,
    /// What to do before anything is appended.
    pub repair: Vec<Repair>,
}

/// Reads segments in ascending order of their first heights, starting at the first height of the log.
///
/// ```text
/// for first in first_heights { scanner.segment(first, &bytes_of(first))?; }
/// let scan = scanner.finish();
/// ```
#[derive(Debug)]
pub struct Scanner {
    identity: Identity,
    last: Option<u64>,
    /// Height of the next entry.
    expected: u64,
    /// Chain hash of the entry before it, `None` behind damage that hides it.
    previous: Option<Hash>,
    /// The last segment read, if what it holds is known up to its end.
    segment: Option<(u64, u64)>,
    /// Damage whose last height the next good head tells.
    hidden: Option<Damage>,
    scan: Scan,
}

/// What stands between two offsets.
struct Item {
    start: usize,
    /// Beyond the segment if the file ends too early.
    end: usize,
    content: Content,
}

enum Content {
    Entry(Head),
    BadBody(Head),
    Hole,
}

impl Item {
    fn head(&self) -> Option<&Head> {
        match &self.content {
            Content::Entry(head) | Content::BadBody(head) => Some(head),
            Content::Hole => None,
        }
    }
}

impl Scanner {
    /// A scan of the segments with these first heights, of the log of this chain.
    pub fn new(identity: Identity, first_heights: impl IntoIterator<Item = u64>) -> Self {
        let previous = Some(identity.first_chain_hash());
        let scan = Scan { blocks: Vec::new(), end: None, report: Report::default(), repair: Vec::new() };
        let last = first_heights.into_iter().max();
        let expected = identity.first_height();
        Self { identity, last, expected, previous, segment: None, hidden: None, scan }
    }

    /// Reads and verifies one whole segment.
    pub fn segment(&mut self, first_height: u64, bytes: &[u8]) -> Result<(), UnsupportedVersion> {
        let is_last = self.last == Some(first_height);
        if is_last && tear::is_torn(bytes, 0, 0, FIRST_ENTRY_OFFSET) {
            self.tear(first_height, 0, bytes);
            self.scan.repair.push(Repair::Remove { segment: first_height });
            return Ok(());
        }
        let header = match SegmentHeader::read(bytes)? {
            HeaderRead::Good(header) => Some(header),
            HeaderRead::OneBad(header, offset) => {
                self.damage_without_loss(first_height, offset, Cause::SegmentHeader);
                Some(header)
            }
            // The file's name and the entries' own checksums are enough to go on.
            HeaderRead::Bad => {
                self.damage_without_loss(first_height, 0, Cause::SegmentHeader);
                None
            }
        };
        if let Some(header) = header {
            let cause = match () {
                () if !header.identity.is_same_chain(&self.identity) => Some(Cause::Foreign),
                () if header.first_height != first_height => Some(Cause::Misnamed),
                () => None,
            };
            if let Some(cause) = cause {
                self.lose_rest(first_height, 0, cause);
                return Ok(());
            }
            self.reach(header.first_height, first_height, 0);
            self.previous = self.previous.or(Some(header.previous));
        }
        self.entries(first_height, bytes, is_last);
        Ok(())
    }

    /// The result.
    pub fn finish(mut self) -> Scan {
        self.scan.end = match (self.last, self.segment, self.previous) {
            (_, _, None) => None,
            (None, _, Some(chain_hash)) => {
                Some(End { next_height: self.expected, chain_hash, segment: None })
            }
            (Some(_), segment, Some(chain_hash)) if self.hidden.is_none() => {
                Some(End { next_height: self.expected, chain_hash, segment })
            }
            _ => None,
        };
        self.scan.report.damage.extend(self.hidden);
        self.scan.report.damage.sort_by_key(|damage| (damage.segment, damage.offset));
        self.scan
    }

    fn entries(&mut self, first_height: u64, bytes: &[u8], is_last: bool) {
        let items = items(&self.identity, first_height, bytes);
        let flushed_after = flushed_after(&items);
        for (item, flushed_after) in items.iter().zip(flushed_after) {
            let height = item.head().map_or(self.expected, |head| head.height);
            let is_bad = !matches!(item.content, Content::Entry(_));
            if is_bad
                && is_last
                && flushed_after < height
                && tear::is_torn(bytes, item.start, item.start, item.end)
            {
                self.tear(first_height, item.start, bytes);
                self.scan.repair.push(Repair::Truncate { segment: first_height, length: item.start as u64 });
                self.segment = Some((first_height, item.start as u64));
                return;
            }
            self.item(first_height, item);
        }
        self.segment = Some((first_height, bytes.len() as u64));
    }

    fn item(&mut self, segment: u64, item: &Item) {
        let offset = item.start as u64;
        let Some(head) = item.head() else {
            self.lose_rest(segment, item.start, Cause::Head);
            return;
        };
        if head.height < self.expected {
            self.damage_without_loss(segment, item.start, Cause::Chain);
            return;
        }
        self.reach(head.height, segment, item.start);
        let follows = self.previous.is_none_or(|previous| previous == head.previous);
        let cause = match (&item.content, follows) {
            (Content::Entry(_), true) => None,
            (Content::Entry(_), false) => Some(Cause::Chain),
            _ => Some(Cause::Body),
        };
        let height = head.height;
        match cause {
            None => {
                let length = (item.end - item.start) as u64;
                self.scan.blocks.push(Located { height, segment, offset, length });
            }
            Some(cause) => {
                let damage = Damage { segment, offset, first: height, last: Some(height), cause };
                self.scan.report.damage.push(damage);
            }
        }
        self.expected = height.saturating_add(1);
        self.previous = Some(head.chain_hash);
    }

    /// The log goes on at `height`: whatever was hidden before it ends there.
    fn reach(&mut self, height: u64, segment: u64, offset: usize) {
        let last = Some(height.saturating_sub(1));
        match self.hidden.take() {
            Some(damage) => self.scan.report.damage.push(Damage { last, ..damage }),
            None if height > self.expected => {
                let (first, cause) = (self.expected, Cause::MissingEntries);
                self.scan.report.damage.push(Damage { segment, offset: offset as u64, first, last, cause });
            }
            None => {}
        }
        if height > self.expected {
            self.expected = height;
            self.previous = None;
        }
    }

    /// Everything from here to the next good head is lost.
    fn lose_rest(&mut self, segment: u64, offset: usize, cause: Cause) {
        let damage = Damage { segment, offset: offset as u64, first: self.expected, last: None, cause };
        // A second hole before the next good head belongs to the same loss.
        self.hidden.get_or_insert(damage);
    }

    fn damage_without_loss(&mut self, segment: u64, offset: usize, cause: Cause) {
        let (first, last) = (self.expected, Some(self.expected.saturating_sub(1)));
        self.scan.report.damage.push(Damage { segment, offset: offset as u64, first, last, cause });
    }

    fn tear(&mut self, segment: u64, start: usize, bytes: &[u8]) {
        let (offset, length) = (start as u64, (bytes.len() - start) as u64);
        self.scan.report.torn = Some(TornTail { segment, offset, length, height: self.expected });
    }
}

fn items(identity: &Identity, first_height: u64, bytes: &[u8]) -> Vec<Item> {
    let mut items = Vec::new();
    let mut start = FIRST_ENTRY_OFFSET;
    while start < bytes.len() {
        let (end, content) = match entry::read(identity, first_height, bytes, start) {
            Read::Entry { head, end } => (end, Content::Entry(head)),
            Read::BadBody { head, end } => (end, Content::BadBody(head)),
            Read::Cut => (usize::MAX, Content::Hole),
            Read::BadHead if bytes.len() - start < HEAD_LEN => (usize::MAX, Content::Hole),
            Read::BadHead => (entry::next_head(identity, first_height, bytes, start), Content::Hole),
        };
        items.push(Item { start, end, content });
        start = end;
    }
    items
}

/// For each item the highest height that a later head calls flushed.
fn flushed_after(items: &[Item]) -> Vec<u64> {
    let mut highest = 0;
    let mut after = Vec::with_capacity(items.len());
    for item in items.iter().rev() {
        after.push(highest);
        highest = item.head().map_or(highest, |head| head.flushed.max(highest));
    }
    after.reverse();
    after
}
