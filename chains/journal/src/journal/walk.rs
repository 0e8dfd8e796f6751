//! Walks the frames of one segment and groups them into batches, holes included.

use super::frame::{self, Directory, FrameType, Header, Place, Read};
use super::record::{ChainTag, Record};
use super::report::{Cause, Damage, Lost};
use super::segment::FIRST_BATCH_OFFSET;
use crate::tear;

/// Bytes that do not read.
#[derive(Debug)]
struct Hole {
    start: usize,
    /// Beyond the segment if the file ends too early.
    end: usize,
    /// The frame's header, if that at least reads.
    header: Option<Header>,
}

/// Frames with one batch number, and the holes between them.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) number: u64,
    pub(super) start: usize,
    pub(super) records: Vec<Record>,
    pub(super) inventory: Option<Vec<u64>>,
    end: usize,
    holes: Vec<Hole>,
    /// What was read and what at least showed its header.
    seen: Directory,
    /// Frames read or seen.
    frames: u32,
    commit: Option<Directory>,
}

/// The batches of a segment in order; `first_batch` is the number that its header promises.
pub(super) fn batches(place: Place, segment: &[u8], first_batch: u64) -> Vec<Batch> {
    let mut walk = Walk { done: Vec::new(), open: None, next: first_batch };
    let mut offset = FIRST_BATCH_OFFSET;
    while offset < segment.len() {
        offset = match frame::read(place, segment, offset) {
            Read::Frame { header, payload, end } => {
                walk.frame(header, payload, offset, end);
                end
            }
            Read::BadPayload { header, end } => {
                walk.hole(Hole { start: offset, end, header: Some(header) });
                end
            }
            Read::Cut => {
                walk.hole(Hole { start: offset, end: usize::MAX, header: None });
                segment.len()
            }
            Read::BadHeader if segment.len() - offset < frame::HEADER_LEN => {
                walk.hole(Hole { start: offset, end: usize::MAX, header: None });
                segment.len()
            }
            Read::BadHeader => {
                let end = frame::next_header(place, segment, offset);
                walk.hole(Hole { start: offset, end, header: None });
                end
            }
        };
    }
    walk.done.extend(walk.open);
    walk.done
}

struct Walk {
    done: Vec<Batch>,
    open: Option<Batch>,
    /// Number of the batch after the open one, or after the last one.
    next: u64,
}

impl Walk {
    /// The open batch if its number is `number`, else a new one.
    fn batch(&mut self, number: u64, start: usize) -> &mut Batch {
        if self.open.as_ref().is_some_and(|open| open.number != number) {
            self.done.extend(self.open.take());
        }
        self.next = number.saturating_add(1);
        self.open.get_or_insert_with(|| Batch::new(number, start))
    }

    fn frame(&mut self, header: Header, payload: &[u8], start: usize, end: usize) {
        let batch = self.batch(header.batch, start);
        batch.end = end;
        batch.add(&header, payload);
        if header.frame_type == FrameType::Commit {
            self.done.extend(self.open.take());
        }
    }

    fn hole(&mut self, hole: Hole) {
        let number = match (&hole.header, &self.open) {
            (Some(header), _) => header.batch,
            (None, Some(open)) => open.number,
            (None, None) => self.next,
        };
        let batch = self.batch(number, hole.start);
        batch.end = hole.end;
        if let Some(header) = &hole.header {
            batch.see(header);
        }
        batch.holes.push(hole);
    }
}

impl Batch {
    fn new(number: u64, start: usize) -> Self {
        Self {
            number,
            start,
            records: Vec::new(),
            inventory: None,
            end: start,
            holes: Vec::new(),
            seen: Directory::default(),
            frames: 0,
            commit: None,
        }
    }

    fn see(&mut self, header: &Header) {
        self.frames += 1;
        if header.frame_type == FrameType::Record {
            self.seen.add(header.chain, header.height);
        }
    }

    fn add(&mut self, header: &Header, payload: &[u8]) {
        // A commit says how many frames came before it; the others count themselves.
        self.see(header);
        match header.frame_type {
            FrameType::Record => self.records.push(Record {
                chain: header.chain,
                height: header.height,
                kind: header.record_kind,
                payload: payload.to_vec(),
            }),
            FrameType::Inventory => self.inventory = frame::decode_inventory(payload),
            FrameType::Commit => self.commit = Directory::decode(payload),
        }
    }

    /// Highest height per chain of all records whose header reads.
    pub(super) fn heights(&self) -> impl Iterator<Item = (ChainTag, u64)> + '_ {
        self.seen.0.iter().map(|(chain, share)| (*chain, share.height_max))
    }

    /// Every frame up to the commit reads.
    fn is_complete(&self) -> bool {
        self.holes.is_empty() && self.commit.as_ref() == Some(&self.seen)
    }

    /// Whether this, the last batch of the last segment, is the remains of an incomplete write.
    pub(super) fn is_torn(&self, segment: &[u8]) -> bool {
        let ends_early = self.holes.is_empty() && self.commit.is_none();
        ends_early || self.holes.iter().any(|hole| tear::is_torn(segment, self.start, hole.start, hole.end))
    }

    /// What is wrong with this batch, given that it was durable; `next_starts` says that what follows
    /// it, if anything does, starts a batch of its own.
    pub(super) fn damage(&self, segment: u64, next_starts: bool) -> Vec<Damage> {
        if self.is_complete() {
            return Vec::new();
        }
        if self.holes.is_empty() {
            let lost = self.lost_by_directory().unwrap_or(Lost::Unknown);
            return vec![Damage { segment, offset: self.start as u64, cause: Cause::MissingFrames, lost }];
        }
        let damage = |hole: &Hole| {
            let cause = if hole.header.is_some() { Cause::Payload } else { Cause::FrameHeader };
            let lost = self.lost_by(hole, next_starts);
            Damage { segment, offset: hole.start as u64, cause, lost }
        };
        self.holes.iter().map(damage).collect()
    }

    fn lost_by(&self, hole: &Hole, next_starts: bool) -> Lost {
        match &hole.header {
            Some(header) => match header.frame_type {
                FrameType::Record => Lost::Records(vec![(header.chain, header.height)]),
                FrameType::Inventory => Lost::Nothing,
                // The commit's index is the number of frames before it.
                FrameType::Commit if self.frames == header.index.saturating_add(1) => Lost::Nothing,
                FrameType::Commit => Lost::Unknown,
            },
            None => self.lost_by_directory().unwrap_or_else(|| {
                // Without a commit the hole must have held it. If it is not longer than the commit of
                // the records that were read, it held nothing else.
                let only_commit =
                    self.holes.len() == 1 && next_starts && hole.end - hole.start == self.seen.frame_len();
                if only_commit { Lost::Nothing } else { Lost::Unknown }
            }),
        }
    }

    /// The chains of which the commit counts more records than were seen; none without a commit.
    fn lost_by_directory(&self) -> Option<Lost> {
        let promised = self.commit.as_ref()?;
        let seen = |chain| self.seen.0.get(chain).map_or(0, |share| share.records);
        let lost: Vec<_> = promised
            .0
            .iter()
            .filter(|(chain, share)| share.records > seen(chain))
            .map(|(chain, share)| (*chain, share.height_max))
            .collect();
        Some(if lost.is_empty() { Lost::Nothing } else { Lost::Records(lost) })
    }
}

/// Where the batch that follows the last of `batches` in the segment gets its number from.
pub(super) fn next_batch(batches: &[Batch], first_batch: u64) -> u64 {
    batches.last().map_or(first_batch, |batch| batch.number.saturating_add(1))
}
