//! The guard's file: the newest mark of each chain, the second copy of what was signed.
//!
//! A mark is opaque here but for its order: of two marks of a chain the greater bytes count. It is appended with the number of
//! the journal's batch that holds what was signed. Both are written at the same time, and nothing is sent before both are
//! there; so a mark whose batch a whole journal does not have was never sent, and does not count. The file is written anew at
//! every start and when it has grown, with marks that count and no batch: a number says nothing about a later journal. Bytes:
//! `docs/formats/guard.md`.

use crate::journal::ChainTag;
use crate::layout::{CHECKSUM_LEN, Checksum, Reader, UnsupportedVersion, checksum};
use std::collections::BTreeMap;

/// Bytes of a mark.
pub const MARK_LEN: usize = 45;
/// Bytes of the file's header.
pub const HEADER_LEN: usize = 24;
/// Bytes of a record.
pub const RECORD_LEN: usize = 32 + MARK_LEN + 3 + 8 + CHECKSUM_LEN;

const MAGIC: &[u8; 8] = b"CATENGRD";
const VERSION: u32 = 1;
const HEADER_TAG: &[u8] = b"catenary/guard/header/1";
const RECORD_TAG: &[u8] = b"catenary/guard/record/1";

/// A mark and the journal's batch that holds what was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marked {
    /// The mark.
    pub mark: [u8; MARK_LEN],
    /// The batch; 0 if the mark counts whatever the journal holds.
    pub batch: u64,
}

/// The newest mark of each chain.
pub type Marks = BTreeMap<ChainTag, [u8; MARK_LEN]>;

/// Raises a chain's mark, and never lowers it.
pub fn raise(marks: &mut Marks, chain: ChainTag, mark: [u8; MARK_LEN]) {
    let newest = marks.entry(chain).or_insert(mark);
    *newest = mark.max(*newest);
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Every mark that reads is at most the one here.
    pub marks: Marks,
    /// Whether every record reads that was ever acknowledged. If not, a newer mark may have been lost.
    pub complete: bool,
    /// Records left out because what they stand for was never sent.
    pub unsent: usize,
}

/// A whole file with these marks, all of which count.
pub fn file(marks: &Marks) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_LEN + marks.len() * RECORD_LEN);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&[0; 4]);
    let sum = checksum(&[HEADER_TAG, &bytes]);
    bytes.extend_from_slice(&sum);
    for (chain, mark) in marks {
        bytes.extend_from_slice(&record(*chain, &Marked { mark: *mark, batch: 0 }));
    }
    bytes
}

/// A record.
pub fn record(chain: ChainTag, marked: &Marked) -> [u8; RECORD_LEN] {
    let mut bytes = [0; RECORD_LEN];
    bytes[..32].copy_from_slice(chain.0.as_bytes());
    bytes[32..32 + MARK_LEN].copy_from_slice(&marked.mark);
    bytes[80..88].copy_from_slice(&marked.batch.to_be_bytes());
    let sum = checksum(&[RECORD_TAG, &bytes[..RECORD_LEN - CHECKSUM_LEN]]);
    bytes[RECORD_LEN - CHECKSUM_LEN..].copy_from_slice(&sum);
    bytes
}

/// Reads a file. Any bytes give a result. `journal_end` is the number of the first batch that the journal does not have, if
/// the journal is whole: marks of that very batch do not count.
///
/// The room behind the records is zero, or the file ends; a last record that is cut short by its end was never acknowledged.
/// Everything else that does not read is damage, be it a record that was being written.
pub fn scan(bytes: &[u8], journal_end: Option<u64>) -> Result<Scan, UnsupportedVersion> {
    let mut scan = Scan { marks: Marks::new(), complete: read_header(bytes)?, unsent: 0 };
    let records = bytes.get(HEADER_LEN..).unwrap_or_default();
    let written = records.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let (records, _cut) = records.as_chunks::<RECORD_LEN>();
    for bytes in &records[..written.div_ceil(RECORD_LEN).min(records.len())] {
        match read_record(bytes) {
            Some((_, marked)) if Some(marked.batch) == journal_end => scan.unsent += 1,
            Some((chain, marked)) => raise(&mut scan.marks, chain, marked.mark),
            None => scan.complete = false,
        }
    }
    Ok(scan)
}

/// Whether the header reads; an error if another version wrote it.
fn read_header(bytes: &[u8]) -> Result<bool, UnsupportedVersion> {
    let Some((header, sum)) =
        bytes.get(..HEADER_LEN).and_then(|header| header.split_last_chunk::<CHECKSUM_LEN>())
    else {
        return Ok(false);
    };
    if checksum(&[HEADER_TAG, header]) != *sum || !header.starts_with(MAGIC) {
        return Ok(false);
    }
    match Reader(&header[MAGIC.len()..]).u32() {
        Some(VERSION) => Ok(true),
        found => Err(UnsupportedVersion { found: found.unwrap_or_default(), supported: VERSION }),
    }
}

fn read_record(bytes: &[u8; RECORD_LEN]) -> Option<(ChainTag, Marked)> {
    let mut reader = Reader(bytes);
    let chain = ChainTag(reader.hash()?);
    let mark = reader.array()?;
    reader.take(3)?;
    let batch = u64::from_be_bytes(reader.array()?);
    let sum: Checksum = reader.array()?;
    let marked = Marked { mark, batch };
    (checksum(&[RECORD_TAG, &bytes[..RECORD_LEN - CHECKSUM_LEN]]) == sum).then_some((chain, marked))
}

#[cfg(test)]
mod tests {
    use super::*;
    use catenary_crypto::sha256;

    fn chain(name: &str) -> ChainTag {
        ChainTag(sha256(name.as_bytes()))
    }

    fn marked(mark: u8, batch: u64) -> Marked {
        Marked { mark: [mark; MARK_LEN], batch }
    }

    fn marks() -> Marks {
        Marks::from([(chain("one"), [1; MARK_LEN]), (chain("two"), [2; MARK_LEN])])
    }

    fn whole() -> Scan {
        Scan { marks: marks(), complete: true, unsent: 0 }
    }

    #[test]
    fn bytes_are_pinned() {
        let bytes = [&file(&marks())[..], &record(chain("one"), &marked(9, 0x0102))].concat();
        assert_eq!(hex::encode(bytes), include_str!("../fixtures/guard.hex").trim());
    }

    #[test]
    fn a_file_reads_back_and_the_greatest_mark_of_a_chain_counts() {
        let mut bytes = file(&marks());
        assert_eq!(scan(&bytes, None), Ok(whole()));
        bytes.extend_from_slice(&record(chain("one"), &marked(9, 5)));
        bytes.extend_from_slice(&record(chain("one"), &marked(3, 6)));
        let found = scan(&bytes, None).unwrap();
        assert_eq!((found.marks[&chain("one")], found.complete), ([9; MARK_LEN], true));
    }

    #[test]
    fn what_the_journal_does_not_have_was_never_sent_and_does_not_count() {
        let mut bytes = file(&marks());
        bytes.extend_from_slice(&record(chain("one"), &marked(5, 7)));
        bytes.extend_from_slice(&record(chain("one"), &marked(9, 8)));
        let newest =
            |end| scan(&bytes, end).map(|found| (found.marks[&chain("one")][0], found.unsent)).unwrap();
        assert_eq!(newest(Some(8)), (5, 1), "the batch was being written");
        assert_eq!(newest(Some(9)), (9, 0), "the journal has it");
        assert_eq!(newest(Some(7)), (9, 1), "it had it, and was replaced by an older one");
        assert_eq!(newest(None), (9, 0), "nobody knows");
        let anew = file(&scan(&bytes, Some(9)).unwrap().marks);
        for later_journal in 1..20 {
            let kept = scan(&anew, Some(later_journal)).unwrap();
            assert_eq!(
                (kept.marks[&chain("one")][0], kept.unsent),
                (9, 0),
                "one that ends at {later_journal}"
            );
        }
    }

    #[test]
    fn a_tail_that_was_never_acknowledged_is_no_damage() {
        let whole = file(&marks());
        for cut in HEADER_LEN..whole.len() {
            assert!(scan(&whole[..cut], None).unwrap().complete, "cut at {cut}");
        }
        let zeroed = [whole.clone(), vec![0; 2 * RECORD_LEN]].concat();
        assert_eq!(scan(&zeroed, None), Ok(self::whole()));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let whole = file(&marks());
        for at in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            let found = scan(&flipped, None).unwrap();
            assert!(!found.complete, "bit {at}");
            let known = |(chain, marked)| marks().get(chain) == Some(marked);
            assert!(found.marks.iter().all(known), "bit {at}");
        }
    }

    #[test]
    fn another_version_is_refused() {
        let mut bytes = file(&Marks::new());
        bytes[11] = 2;
        let sum = checksum(&[HEADER_TAG, &bytes[..16]]);
        bytes[16..].copy_from_slice(&sum);
        assert_eq!(scan(&bytes, None), Err(UnsupportedVersion { found: 2, supported: 1 }));
    }
}
