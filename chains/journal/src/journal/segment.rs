//! A segment's header, and the writer that turns records into bytes to append.

use super::frame::{self, Directory, FrameType, Header, Place};
use super::record::{ChainTag, JournalId, Record};
use crate::layout::{CHECKSUM_LEN, Checksum, PAYLOAD_BYTES_MAX, Reader, UnsupportedVersion, checksum};
use catenary_crypto::Hash;
use thiserror::Error;

/// Version of the journal format that this build writes and reads.
pub const VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"CATENJNL";
const HEADER_LEN: usize = 64;

/// Where the first batch starts: behind the two copies of the header.
pub(super) const FIRST_BATCH_OFFSET: usize = 2 * HEADER_LEN;

const _: () = assert!(FIRST_BATCH_OFFSET.is_multiple_of(crate::layout::ALIGNMENT));

/// A record's payload is longer than the format allows. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("journal record has {actual} bytes, at most {max} are allowed")]
pub struct RecordTooLarge {
    /// Length of the payload.
    pub actual: usize,
    /// The limit, [`PAYLOAD_BYTES_MAX`].
    pub max: usize,
}

/// What a segment says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) place: Place,
    /// Number of its first batch; the one before it stands in the segment before.
    pub(super) first_batch: u64,
}

/// What the two copies of a header add up to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeaderRead {
    Good(SegmentHeader),
    /// One copy is good, the one at this offset is not.
    OneBad(SegmentHeader, usize),
    Bad,
}

impl SegmentHeader {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FIRST_BATCH_OFFSET);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.place.journal.0);
        out.extend_from_slice(&self.place.segment.to_be_bytes());
        out.extend_from_slice(&self.first_batch.to_be_bytes());
        out.extend_from_slice(&[0; 8]);
        let sum = header_checksum(&out);
        out.extend_from_slice(&sum);
        debug_assert_eq!(out.len(), HEADER_LEN);
        out.extend_from_within(..);
        out
    }

    pub(super) fn read(segment: &[u8]) -> Result<HeaderRead, UnsupportedVersion> {
        let [first, second] = [0, HEADER_LEN].map(|at| segment.get(at..at + HEADER_LEN));
        Ok(match [first, second].map(|copy| copy.and_then(Self::decode)) {
            [Some(one), Some(two)] if one == two => HeaderRead::Good(one),
            [Some(_), Some(_)] => HeaderRead::Bad,
            [Some(one), None] => HeaderRead::OneBad(one, HEADER_LEN),
            [None, Some(two)] => HeaderRead::OneBad(two, 0),
            // A flipped bit cannot change both copies, a newer version does.
            [None, None] => match [first, second].map(|copy| copy.and_then(version)) {
                [Some(one), Some(two)] if one == two && one != VERSION => {
                    return Err(UnsupportedVersion { found: one, supported: VERSION });
                }
                _ => HeaderRead::Bad,
            },
        })
    }

    fn decode(copy: &[u8]) -> Option<Self> {
        let (covered, sum) = copy.split_at_checked(HEADER_LEN - CHECKSUM_LEN)?;
        if version(copy) != Some(VERSION) || header_checksum(covered) != sum {
            return None;
        }
        let mut reader = Reader(&covered[16..]);
        let journal = JournalId(reader.array()?);
        let segment = reader.u64()?;
        Some(Self { place: Place { journal, segment }, first_batch: reader.u64()? })
    }
}

fn version(copy: &[u8]) -> Option<u32> {
    Reader(copy.strip_prefix(MAGIC)?).u32()
}

fn header_checksum(covered: &[u8]) -> Checksum {
    checksum(&[b"catenary/journal/segment/1", covered])
}

/// Turns records into the bytes to append to one segment. The caller writes the bytes of each call with one
/// write and flushes them before it asks for the next.
#[derive(Clone, Debug)]
pub struct SegmentWriter {
    place: Place,
    offset: u64,
    batch: u64,
}

impl SegmentWriter {
    /// Starts segment `number`, whose first batch gets the number `batch`. `live` are the numbers of
    /// the other segments that count. Also returns the first bytes of the file.
    pub fn create(journal: JournalId, number: u64, batch: u64, live: &[u64]) -> (Self, Vec<u8>) {
        let place = Place { journal, segment: number };
        let mut out = SegmentHeader { place, first_batch: batch }.encode();
        let mut writer = Self { place, offset: out.len() as u64, batch };
        writer.append_batch(&mut std::iter::empty(), Some(live), &mut out);
        (writer, out)
    }

    /// Appends to `out` one batch with `records` in their order and, if given, a new list of the other segments
    /// that count. A segment may be deleted once a batch without it in this list is durable.
    pub fn append<'a>(
        &mut self,
        records: impl IntoIterator<Item = &'a Record, IntoIter: Clone>,
        live: Option<&[u64]>,
        out: &mut Vec<u8>,
    ) -> Result<(), RecordTooLarge> {
        let mut records = records.into_iter();
        if let Some(record) = records.clone().find(|record| record.payload.len() > PAYLOAD_BYTES_MAX) {
            return Err(RecordTooLarge { actual: record.payload.len(), max: PAYLOAD_BYTES_MAX });
        }
        self.append_batch(&mut records, live, out);
        Ok(())
    }

    /// The segment's number.
    pub fn number(&self) -> u64 {
        self.place.segment
    }

    /// Length of the segment with everything appended so far, in bytes.
    pub fn len(&self) -> u64 {
        self.offset
    }

    /// False: a segment starts with its header.
    pub fn is_empty(&self) -> bool {
        self.offset == 0
    }

    /// Number that the next batch gets, here or as the first of the next segment.
    pub fn next_batch(&self) -> u64 {
        self.batch
    }

    /// The journal it belongs to.
    pub fn journal(&self) -> JournalId {
        self.place.journal
    }

    fn append_batch(
        &mut self,
        records: &mut dyn Iterator<Item = &Record>,
        live: Option<&[u64]>,
        out: &mut Vec<u8>,
    ) {
        let mut directory = Directory::default();
        let mut index = 0;
        for record in records {
            directory.add(record.chain, record.height);
            let header = Header {
                frame_type: FrameType::Record,
                record_kind: record.kind,
                batch: self.batch,
                index,
                height: record.height,
                chain: record.chain,
            };
            self.append_frame(&header, &record.payload, out);
            index += 1;
        }
        let mut header = Header {
            frame_type: FrameType::Inventory,
            record_kind: 0,
            batch: self.batch,
            index,
            height: 0,
            chain: ChainTag(Hash::default()),
        };
        if let Some(live) = live {
            self.append_frame(&header, &frame::encode_inventory(live), out);
            header.index += 1;
        }
        header.frame_type = FrameType::Commit;
        self.append_frame(&header, &directory.encode(), out);
        self.batch += 1;
    }

    fn append_frame(&mut self, header: &Header, payload: &[u8], out: &mut Vec<u8>) {
        frame::encode(self.place, self.offset, header, payload, out);
        self.offset += frame::frame_len(payload.len()) as u64;
    }
}
