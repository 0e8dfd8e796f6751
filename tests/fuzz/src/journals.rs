//! The journal and sealed values: what is altered is never served, and does not go unnoticed.

use crate::{
    alteration::{altered, refuse_altered},
    input::Input,
};
use catenary_journal::{
    journal::{ChainTag, JournalId, Record, Scan, Scanner, SegmentWriter},
    sealed,
};
use std::{collections::BTreeMap, ops::Range, sync::LazyLock};

/// Two segments as they are on disk, and what was written into them.
struct Journal {
    segments: BTreeMap<u64, Vec<u8>>,
    /// Each with the segment it stands in, and where its batch stands there.
    records: Vec<(u64, Range<usize>, Record)>,
    /// Where batches end in the last segment: a file that ends there is a shorter journal.
    ends: Vec<usize>,
}

fn record(name: &str, height: u64, payload: &[u8]) -> Record {
    Record { chain: ChainTag::of(name), height, kind: 2, payload: payload.to_vec() }
}

static JOURNAL: LazyLock<Journal> = LazyLock::new(|| {
    let batches = [
        vec![record("one", 1, b"proposal"), record("two", 7, b""), record("one", 1, b"vote of one")],
        vec![record("two", 7, &[0x5a; 600])],
        vec![record("three", 2, b"x"), record("one", 2, b"another vote"), record("two", 8, b"body")],
        vec![record("one", 3, b"last"), record("three", 3, &[7; 33])],
    ];
    let id = JournalId(*b"sixteen bytes id");
    let (mut writer, mut bytes) = SegmentWriter::create(id, 1, 1, &[]);
    let mut journal = Journal { segments: BTreeMap::new(), records: Vec::new(), ends: Vec::new() };
    for (number, batch) in batches.iter().enumerate() {
        if number == 2 {
            journal.segments.insert(1, std::mem::take(&mut bytes));
            (writer, bytes) = SegmentWriter::create(id, 2, writer.next_batch(), &[1]);
            journal.ends.push(bytes.len());
        }
        let at = bytes.len();
        writer.append(batch, None, &mut bytes).expect("records are short");
        journal.ends.push(bytes.len());
        let place = at..bytes.len();
        journal.records.extend(batch.iter().map(|record| (writer.number(), place.clone(), record.clone())));
    }
    // Those of the first segment were counted too.
    journal.ends.drain(..2);
    journal.segments.insert(2, bytes);
    journal
});

fn scan(segments: &BTreeMap<u64, Vec<u8>>) -> Option<Scan> {
    let mut scanner = Scanner::new(segments.keys().copied());
    for (number, bytes) in segments {
        // Of another version, as far as it says; it is not read then.
        scanner.segment(*number, bytes).ok()?;
    }
    Some(scanner.finish())
}

/// Alters a segment of a journal.
///
/// What is served was written, in order. What is lost makes its chain suspect, or belongs to an incomplete last write. And
/// no alteration is taken for the journal as it was, except a cut between two batches, which leaves a shorter journal. Of a
/// batch that is cut and damaged as well it is said that it is damaged, but not always what that cost.
pub fn altered_journals(data: &[u8]) {
    let journal = &*JOURNAL;
    let mut input = Input::new(data);
    let number = 1 + input.below(2) as u64;
    let original = &journal.segments[&number];
    let bytes = altered(&mut input, original);
    let mut segments = journal.segments.clone();
    segments.insert(number, bytes.clone());
    if let Some(scan) = scan(&segments) {
        check_scan(journal, number, &bytes, &scan);
    }
}

/// Whether a scan is honest about a journal of which this segment holds these bytes.
fn check_scan(journal: &Journal, number: u64, bytes: &[u8], scan: &Scan) {
    let is_cut = |at: usize| number == 2 && bytes.len() <= at && journal.ends.contains(&bytes.len());
    let torn = |number: u64, at: usize| {
        scan.report.torn.is_some_and(|torn| torn.segment == number && torn.offset <= at as u64)
    };
    let mut served = scan.records.iter().peekable();
    for (segment, batch, record) in &journal.records {
        if served.next_if(|next| *next == record).is_none() {
            let said = scan.report.is_suspect(record.chain, record.height - 1);
            let both = *segment == number && bytes.len() < batch.end && !scan.report.is_clean();
            let excused = torn(*segment, batch.start) || is_cut(batch.start) || both;
            assert!(said || excused, "lost {record:?}: {}", scan.report);
        }
    }
    assert_eq!(served.next(), None, "a record is served that was not written");
    let silent = scan.report.is_clean() && scan.report.torn.is_none();
    let original = &journal.segments[&number];
    let shorter = is_cut(bytes.len()) && original.starts_with(bytes);
    assert!(!silent || bytes == original || shorter, "nothing is said of {bytes:02x?}");
    assert!(!scan.report.to_string().is_empty());
}

/// Alters a sealed value of the index, or its key.
pub fn altered_sealed_values(data: &[u8]) {
    let (key, value) = (b"Tkey of a transaction".as_slice(), b"where the transaction is".as_slice());
    let mut input = Input::new(data);
    let whole = sealed::seal(key, value);
    let bytes = altered(&mut input, &whole);
    refuse_altered("sealed value", &whole, &bytes, sealed::unseal(key, &bytes).is_ok());
    let other = altered(&mut input, key);
    refuse_altered("key of a sealed value", key, &other, sealed::unseal(&other, &whole).is_ok());
    // What was never sealed under a key is not read under it.
    let any = input.rest();
    assert!(sealed::unseal(key, any).is_err() || any.len() >= sealed::OVERHEAD);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_reads_back() {
        let scan = scan(&JOURNAL.segments).unwrap();
        assert!(scan.records.iter().eq(JOURNAL.records.iter().map(|(_, _, record)| record)));
        assert_eq!(JOURNAL.ends.len(), 3);
        assert_eq!(JOURNAL.ends.last(), Some(&JOURNAL.segments[&2].len()));
    }

    /// A scan of the journal with one bit flipped in the payload of a record.
    fn flipped(change: fn(&mut Scan)) {
        let mut segments = JOURNAL.segments.clone();
        let bytes = segments.get_mut(&1).unwrap();
        let at = bytes.iter().rposition(|byte| *byte == 0x5a).unwrap();
        bytes[at] ^= 1;
        let mut scan = scan(&segments).unwrap();
        change(&mut scan);
        check_scan(&JOURNAL, 1, &segments[&1], &scan);
    }

    #[test]
    fn an_honest_scan_passes() {
        flipped(|_| {});
    }

    #[test]
    #[should_panic = "a record is served that was not written"]
    fn a_scan_that_serves_what_was_altered_is_noticed() {
        flipped(|scan| scan.records.push(record("two", 7, &[0x5b; 600])));
    }

    #[test]
    #[should_panic = "lost"]
    fn a_scan_that_loses_in_silence_is_noticed() {
        flipped(|scan| scan.report.damage.clear());
    }

    #[test]
    #[should_panic = "nothing is said"]
    fn a_scan_that_takes_another_file_for_the_journal_is_noticed() {
        let whole = scan(&JOURNAL.segments).unwrap();
        check_scan(&JOURNAL, 1, &JOURNAL.segments[&1][1..], &whole);
    }
}
