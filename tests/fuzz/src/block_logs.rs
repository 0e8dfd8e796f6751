//! The block log: a block is served as it was written, or its loss is reported by height.

use crate::{
    alteration::{altered, refuse_altered},
    input::Input,
};
use catenary_crypto::sha256;
use catenary_journal::block_log::{
    Entry, Identity, Located, Report, Scan, Scanner, SegmentWriter, decode_entry,
};
use std::{collections::BTreeMap, sync::LazyLock};

type Segments = BTreeMap<u64, Vec<u8>>;

/// Two segments of three blocks each, and what was written into them.
struct Log {
    segments: Segments,
    blocks: Vec<(Located, Entry)>,
}

static IDENTITY: LazyLock<Identity> = LazyLock::new(|| {
    Identity::new("berka-0123456789abcdef-1", sha256(b"genesis")).expect("a short chain id")
});

/// The log knows in its second segment up to which height it was flushed; or it never does.
fn log(flushed: u64) -> Log {
    let mut log = Log { segments: Segments::new(), blocks: Vec::new() };
    let (mut writer, mut bytes) = SegmentWriter::create(IDENTITY.clone(), 1, IDENTITY.first_chain_hash());
    for height in 1..=6u8 {
        if height == 4 {
            log.segments.insert(1, std::mem::take(&mut bytes));
            (writer, bytes) = SegmentWriter::create(IDENTITY.clone(), 4, writer.chain_hash());
        }
        let block = vec![height; usize::from(height) * 37 % 90];
        let certificate = format!("certificate {height}").into_bytes();
        let flushed = if height > 4 { flushed } else { 0 };
        let located = writer.append(&block, &certificate, flushed, &mut bytes).expect("blocks are short");
        let chain_hash = writer.chain_hash();
        log.blocks.push((located, Entry { height: height.into(), block, certificate, chain_hash }));
    }
    log.segments.insert(4, bytes);
    log
}

static LOGS: LazyLock<[Log; 2]> = LazyLock::new(|| [log(0), log(4)]);

fn scan(segments: &Segments) -> Option<Scan> {
    let mut scanner = Scanner::new(IDENTITY.clone(), segments.keys().copied());
    for (first, bytes) in segments {
        // Of another version, as far as it says; it is not read then.
        scanner.segment(*first, bytes).ok()?;
    }
    Some(scanner.finish())
}

fn serve(segments: &Segments, located: &Located) -> Entry {
    let at = usize::try_from(located.offset).expect("segments are short");
    let entry = decode_entry(&IDENTITY, located.segment, located.offset, &segments[&located.segment][at..]);
    entry.unwrap_or_else(|error| panic!("what a scan found does not read: {error}"))
}

fn is_reported(report: &Report, height: u64) -> bool {
    let damaged = report
        .damage
        .iter()
        .any(|damage| damage.first <= height && damage.last.is_none_or(|last| height <= last));
    damaged || report.torn.is_some_and(|torn| torn.height <= height)
}

/// Alters a segment of a block log.
///
/// What is served was written, in order of heights. What is not served is reported by its height. And no alteration is
/// taken for the log as it was, except a cut between two blocks, which leaves a shorter log.
pub fn altered_block_logs(data: &[u8]) {
    let mut input = Input::new(data);
    let log = &LOGS[input.below(LOGS.len())];
    let first = [1, 4][input.below(2)];
    let original = &log.segments[&first];
    let bytes = altered(&mut input, original);
    let mut segments = log.segments.clone();
    segments.insert(first, bytes.clone());
    if let Some(scan) = scan(&segments) {
        let served: Vec<_> = scan.blocks.iter().map(|located| serve(&segments, located)).collect();
        check_scan(log, first, &bytes, &scan.report, &served);
    }
    altered_entry(&mut input, log);
}

/// Whether a reader is honest about a log of which this segment holds these bytes.
fn check_scan(log: &Log, first: u64, bytes: &[u8], report: &Report, served: &[Entry]) {
    let end = |located: &Located| (located.offset + located.length) as usize;
    let is_boundary = log.blocks.iter().any(|(located, _)| {
        located.segment == first && (located.offset as usize == bytes.len() || end(located) == bytes.len())
    });
    let is_cut = |located: &Located| first == 4 && is_boundary && end(located) > bytes.len();
    assert!(served.is_sorted_by(|one, other| one.height < other.height));
    let written = |entry: &Entry| log.blocks.iter().any(|(_, block)| block == entry);
    assert!(served.iter().all(written), "a block is served that was not written");
    for (located, block) in &log.blocks {
        let lost = !served.contains(block);
        let said = is_reported(report, block.height) || (located.segment == first && is_cut(located));
        assert!(!lost || said, "height {} is lost: {report}", block.height);
    }
    let silent = report.is_clean() && report.torn.is_none();
    let original = &log.segments[&first];
    let shorter = first == 4 && is_boundary && original.starts_with(bytes);
    assert!(!silent || bytes == original || shorter, "nothing is said of {bytes:02x?}");
}

/// Alters one entry as it is read by height.
fn altered_entry(input: &mut Input<'_>, log: &Log) {
    let (located, block) = &log.blocks[input.below(log.blocks.len())];
    let at = located.offset as usize;
    let original = &log.segments[&located.segment][at..at + located.length as usize];
    let bytes = altered(input, original);
    match decode_entry(&IDENTITY, located.segment, located.offset, &bytes) {
        // Whatever follows an entry is not looked at.
        Ok(entry) => {
            assert_eq!(entry, *block);
            let read = &bytes[..original.len().min(bytes.len())];
            refuse_altered("entry of a block log", original, read, true);
        }
        Err(error) => assert!(bytes != original, "a good entry does not read: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_reads_back() {
        for log in &*LOGS {
            let scan = scan(&log.segments).unwrap();
            assert!(scan.report.is_clean() && scan.report.torn.is_none());
            let served = scan.blocks.iter().map(|located| serve(&log.segments, located));
            assert!(served.eq(log.blocks.iter().map(|(_, block)| block.clone())));
        }
    }

    /// What a reader serves and says of the log with a bit flipped in the block of height 5.
    fn flipped(change: fn(&mut Report, &mut Vec<Entry>)) {
        let log = &LOGS[0];
        let mut segments = log.segments.clone();
        let at = (log.blocks[4].0.offset + log.blocks[4].0.length) as usize - 30;
        segments.get_mut(&4).unwrap()[at] ^= 1;
        let mut scan = scan(&segments).unwrap();
        let mut served: Vec<_> = scan.blocks.iter().map(|located| serve(&segments, located)).collect();
        change(&mut scan.report, &mut served);
        check_scan(log, 4, &segments[&4], &scan.report, &served);
    }

    #[test]
    fn an_honest_reader_passes() {
        flipped(|_, _| {});
    }

    #[test]
    #[should_panic = "a block is served that was not written"]
    fn a_reader_that_serves_what_was_altered_is_noticed() {
        flipped(|_, served| served[4].block.push(0));
    }

    #[test]
    #[should_panic = "height 5 is lost"]
    fn a_reader_that_loses_in_silence_is_noticed() {
        flipped(|report, _| report.damage.clear());
    }
}
