//! One frame: a checksummed header, a payload, padding.
//!
//! The header's checksum covers the payload's checksum and the frame's place (journal, segment,
//! offset), so both are bound to it. The header is checked on its own: when only the payload is bad, chain,
//! height and length are still known and the scan goes on behind it.

use super::record::{ChainTag, JournalId};
use crate::layout::{
    ALIGNMENT, CHECKSUM_LEN, Checksum, PAYLOAD_BYTES_MAX, Reader, checksum, is_padding, pad, padding_len,
};
use catenary_crypto::Hash;
use catenary_mutant::{Mutant, is_active};
use std::collections::BTreeMap;

/// Bytes of a frame header.
pub(super) const HEADER_LEN: usize = 80;
const MAGIC: &[u8; 4] = b"CJFR";
const DIRECTORY_ENTRY_LEN: usize = Hash::LEN + 8 + 4;

/// The segment that frames stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) journal: JournalId,
    pub(super) segment: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameType {
    Record,
    Inventory,
    Commit,
}

impl FrameType {
    fn code(self) -> u8 {
        match self {
            Self::Record => 1,
            Self::Inventory => 2,
            Self::Commit => 3,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        [Self::Record, Self::Inventory, Self::Commit].into_iter().find(|kind| kind.code() == code)
    }
}

/// What a header says; `chain`, `height` and `record_kind` are zero in frames that are not records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) frame_type: FrameType,
    pub(super) record_kind: u8,
    pub(super) batch: u64,
    /// Position in its batch.
    pub(super) index: u32,
    pub(super) height: u64,
    pub(super) chain: ChainTag,
}

/// What stands at an offset. Ends are offsets behind the padding.
pub(super) enum Read<'a> {
    Frame {
        header: Header,
        payload: &'a [u8],
        end: usize,
    },
    BadPayload {
        header: Header,
        end: usize,
    },
    /// A good header whose frame reaches beyond the file.
    Cut,
    BadHeader,
}

/// Highest height and number of records of one chain in one batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) height_max: u64,
    pub(super) records: u32,
}

/// What a batch holds, by chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Directory(pub(super) BTreeMap<ChainTag, Share>);

impl Directory {
    pub(super) fn add(&mut self, chain: ChainTag, height: u64) {
        let share = self.0.entry(chain).or_default();
        share.height_max = share.height_max.max(height);
        share.records += 1;
    }

    /// Length of the commit frame that carries it.
    pub(super) fn frame_len(&self) -> usize {
        frame_len(self.0.len() * DIRECTORY_ENTRY_LEN)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.0.len() * DIRECTORY_ENTRY_LEN);
        for (chain, share) in &self.0 {
            out.extend_from_slice(&chain.0.0);
            out.extend_from_slice(&share.height_max.to_be_bytes());
            out.extend_from_slice(&share.records.to_be_bytes());
        }
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let mut directory = Self::default();
        while !reader.0.is_empty() {
            let chain = ChainTag(reader.hash()?);
            let share = Share { height_max: reader.u64()?, records: reader.u32()? };
            directory.0.insert(chain, share);
        }
        Some(directory)
    }
}

/// The inventory: numbers of the live segments.
pub(super) fn encode_inventory(live: &[u64]) -> Vec<u8> {
    live.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// Reads [`encode_inventory`].
pub(super) fn decode_inventory(bytes: &[u8]) -> Option<Vec<u64>> {
    let (numbers, rest) = bytes.as_chunks::<8>();
    rest.is_empty().then(|| numbers.iter().map(|number| u64::from_be_bytes(*number)).collect())
}

/// Length of a frame with a payload of `payload_len` bytes.
pub(super) fn frame_len(payload_len: usize) -> usize {
    HEADER_LEN + payload_len + padding_len(payload_len)
}

/// Appends the frame that stands at `offset` of its segment.
pub(super) fn encode(place: Place, offset: u64, header: &Header, payload: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(MAGIC);
    out.push(header.frame_type.code());
    out.push(header.record_kind);
    out.extend_from_slice(&[0; 2]);
    let length = u32::try_from(payload.len()).expect("the segment writer refuses longer payloads");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&header.index.to_be_bytes());
    out.extend_from_slice(&header.batch.to_be_bytes());
    out.extend_from_slice(&header.height.to_be_bytes());
    out.extend_from_slice(&header.chain.0.0);
    out.extend_from_slice(&payload_checksum(payload));
    let sum = header_checksum(place, offset, &out[start..]);
    out.extend_from_slice(&sum);
    debug_assert_eq!(out.len() - start, HEADER_LEN);
    out.extend_from_slice(payload);
    pad(out, payload.len());
}

/// Reads what stands at `offset` of a segment.
pub(super) fn read(place: Place, segment: &[u8], offset: usize) -> Read<'_> {
    let Some((header, payload_len, payload_sum)) = read_header(place, segment, offset) else {
        return Read::BadHeader;
    };
    let start = offset + HEADER_LEN;
    let end = offset + frame_len(payload_len);
    let Some(body) = segment.get(start..end) else {
        return Read::Cut;
    };
    let (payload, padding) = body.split_at(payload_len);
    let sound = payload_checksum(payload) == payload_sum || is_active(Mutant::JournalChecksumIgnored);
    if sound && is_padding(padding) {
        Read::Frame { header, payload, end }
    } else {
        Read::BadPayload { header, end }
    }
}

/// The next offset behind `offset` at which a header reads, or the end of the segment.
pub(super) fn next_header(place: Place, segment: &[u8], offset: usize) -> usize {
    (offset + ALIGNMENT..segment.len())
        .step_by(ALIGNMENT)
        .find(|&at| read_header(place, segment, at).is_some())
        .unwrap_or(segment.len())
}

fn read_header(place: Place, segment: &[u8], offset: usize) -> Option<(Header, usize, Checksum)> {
    let bytes = segment.get(offset..offset.checked_add(HEADER_LEN)?)?;
    if !bytes.starts_with(MAGIC) {
        return None;
    }
    let (covered, sum) = bytes.split_at(HEADER_LEN - CHECKSUM_LEN);
    if header_checksum(place, offset as u64, covered) != sum {
        return None;
    }
    let mut reader = Reader(&covered[MAGIC.len()..]);
    let frame_type = FrameType::from_code(reader.u8()?)?;
    let record_kind = reader.u8()?;
    let _reserved = reader.u16()?;
    let payload_len = reader.u32()? as usize;
    let index = reader.u32()?;
    let batch = reader.u64()?;
    let height = reader.u64()?;
    let chain = ChainTag(reader.hash()?);
    let header = Header { frame_type, record_kind, batch, index, height, chain };
    (payload_len <= PAYLOAD_BYTES_MAX).then_some((header, payload_len, reader.array()?))
}

fn header_checksum(place: Place, offset: u64, covered: &[u8]) -> Checksum {
    let Place { journal, segment } = place;
    let tag = b"catenary/journal/frame/1";
    checksum(&[tag, &journal.0, &segment.to_be_bytes(), &offset.to_be_bytes(), covered])
}

fn payload_checksum(payload: &[u8]) -> Checksum {
    checksum(&[b"catenary/journal/payload/1", payload])
}
