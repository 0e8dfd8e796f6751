//! The guard: no mark is read that was not written, and a file that calls itself complete lacks none that it can miss.

use crate::{alteration::altered, input::Input};
use catenary_consensus::{Mark, SignedStep};
use catenary_journal::{
    guard::{HEADER_LEN, MARK_LEN, Marked, Marks, RECORD_LEN, Scan, file, record, scan},
    journal::ChainTag,
};
use catenary_types::Height;
use std::sync::LazyLock;

/// A file as it is on disk, and its records in order.
struct Guard {
    bytes: Vec<u8>,
    records: Vec<(ChainTag, Marked)>,
}

fn mark(height: u64, step: SignedStep) -> [u8; MARK_LEN] {
    Mark::new(Height(height), 1, step, b"what was signed").encode()
}

static GUARD: LazyLock<Guard> = LazyLock::new(|| {
    let [one, two] = ["one", "two"].map(ChainTag::of);
    let marks = Marks::from([(one, mark(7, SignedStep::Prevote)), (two, mark(9, SignedStep::Precommit))]);
    let mut bytes = file(&marks);
    let mut records: Vec<_> =
        marks.iter().map(|(chain, mark)| (*chain, Marked { mark: *mark, batch: 0 })).collect();
    for (chain, height, batch) in [(one, 8, 3), (two, 10, 3), (one, 9, 4)] {
        let marked = Marked { mark: mark(height, SignedStep::Proposal), batch };
        bytes.extend(record(chain, &marked));
        records.push((chain, marked));
    }
    Guard { bytes, records }
});

/// Alters a guard's file.
///
/// Every mark that is read was written. A file counts as complete only if each whole record of it is one that was written;
/// room behind the records may be zero, and a last record that is cut short was never acknowledged.
pub fn altered_guards(data: &[u8]) {
    let guard = &*GUARD;
    let mut input = Input::new(data);
    let journal_end = input.one_in(2).then_some(4);
    let bytes = altered(&mut input, &guard.bytes);
    // Of another version, as far as it says; it is not read then.
    if let Ok(found) = scan(&bytes, journal_end) {
        check_scan(guard, &bytes, journal_end, &found);
    }
}

/// Whether a scan is honest about a file of these bytes.
fn check_scan(guard: &Guard, bytes: &[u8], journal_end: Option<u64>, found: &Scan) {
    for (chain, mark) in &found.marks {
        let written = |(of, marked): &(ChainTag, Marked)| {
            of == chain && marked.mark == *mark && Some(marked.batch) != journal_end
        };
        assert!(guard.records.iter().any(written), "a mark is read that was not written");
    }
    if !found.complete {
        assert_ne!(bytes, guard.bytes, "a whole file counts as damaged");
        return;
    }
    assert!(bytes.starts_with(&guard.bytes[..HEADER_LEN]), "a damaged header passed");
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let whole = bytes[HEADER_LEN..].chunks_exact(RECORD_LEN).enumerate();
    for (number, chunk) in whole.filter(|(number, _)| HEADER_LEN + number * RECORD_LEN < used) {
        let written = guard.records.iter().any(|(chain, marked)| record(*chain, marked) == chunk);
        assert!(written, "record {number} of a complete file was not written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_reads_back() {
        let found = scan(&GUARD.bytes, None).unwrap();
        assert!(found.complete);
        let newest = [9, 10].map(|height| mark(height, SignedStep::Proposal));
        assert_eq!(found.marks.values().copied().collect::<std::collections::BTreeSet<_>>(), newest.into());
    }

    /// A scan of the file with one bit flipped in its last record.
    fn flipped(change: fn(&mut Scan)) {
        let mut bytes = GUARD.bytes.clone();
        let at = bytes.len() - 40;
        bytes[at] ^= 1;
        let mut found = scan(&bytes, None).unwrap();
        change(&mut found);
        check_scan(&GUARD, &bytes, None, &found);
    }

    #[test]
    fn an_honest_scan_passes() {
        flipped(|_| {});
    }

    #[test]
    #[should_panic = "a mark is read that was not written"]
    fn a_mark_out_of_nowhere_is_noticed() {
        flipped(|found| {
            found.marks.insert(ChainTag::of("one"), mark(99, SignedStep::Proposal));
        });
    }

    #[test]
    #[should_panic = "of a complete file was not written"]
    fn a_lost_mark_in_a_file_that_counts_as_complete_is_noticed() {
        flipped(|found| found.complete = true);
    }
}
