//! A segment's header, and the writer that turns records into bytes to append.

use super::frame::{self, Directory, FrameType, Header, Place};
use super::record::{ChainTag, JournalId, Record};
use crate::{
    doubled::Doubled,
    layout::{PAYLOAD_BYTES_MAX, Reader},
};
use catenary_crypto::Hash;
use thiserror::Error;

/// Version of the journal format that this build writes and reads.
pub const VERSION: u32 = 1;

/// Where the first batch starts: behind the two copies of the header.
pub(super) const FIRST_BATCH_OFFSET: usize = 2 * SegmentHeader::LEN;

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

impl Doubled for SegmentHeader {
    const MAGIC: &'static [u8; 8] = b"CATENJNL";
    const VERSION: u32 = VERSION;
    const CHECKSUM_TAG: &'static [u8] = b"catenary/journal/segment/1";
    const LEN: usize = 64;

    fn write_fields(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.place.journal.0);
        out.extend_from_slice(&self.place.segment.to_be_bytes());
        out.extend_from_slice(&self.first_batch.to_be_bytes());
        out.extend_from_slice(&[0; 8]);
    }

    fn read_fields(mut fields: Reader<'_>) -> Option<Self> {
        fields.take(4)?;
        let journal = JournalId(fields.array()?);
        let segment = fields.u64()?;
        Some(Self { place: Place { journal, segment }, first_batch: fields.u64()? })
    }
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
