//! Flips, tears and swaps: a record is served as it was appended, or its loss is reported.

use super::*;
use catenary_crypto::sha256;
use proptest::prelude::*;
use std::collections::BTreeMap;

const JOURNAL: JournalId = JournalId(*b"sixteen bytes id");

type Disk = BTreeMap<u64, Vec<u8>>;

fn chain(name: &str) -> ChainTag {
    ChainTag(sha256(name.as_bytes()))
}

fn record(name: &str, height: u64, payload: &[u8]) -> Record {
    Record { chain: chain(name), height, kind: payload.len() as u8, payload: payload.to_vec() }
}

/// A journal of two segments with two batches each.
fn sample() -> (Disk, Vec<Vec<Record>>) {
    let batches = vec![
        vec![record("one", 1, b"proposal"), record("two", 7, b""), record("one", 1, b"vote of one")],
        vec![record("two", 7, &[0x5a; 600])],
        vec![record("three", 2, b"x"), record("one", 2, b"another vote"), record("two", 8, b"body")],
        vec![record("one", 3, b"last"), record("three", 3, &[7; 33])],
    ];
    let (mut writer, mut first) = SegmentWriter::create(JOURNAL, 1, 1, &[]);
    writer.append(&batches[0], None, &mut first).unwrap();
    writer.append(&batches[1], None, &mut first).unwrap();
    let (mut writer, mut second) = SegmentWriter::create(JOURNAL, 2, writer.next_batch(), &[1]);
    writer.append(&batches[2], None, &mut second).unwrap();
    writer.append(&batches[3], None, &mut second).unwrap();
    (Disk::from([(1, first), (2, second)]), batches)
}

fn scan(disk: &Disk) -> Scan {
    let mut scanner = Scanner::new(disk.keys().copied());
    for (number, bytes) in disk {
        scanner.segment(*number, bytes).unwrap();
    }
    scanner.finish()
}

fn repair(disk: &mut Disk, plan: &[Repair]) {
    for step in plan {
        match *step {
            Repair::Truncate { segment, length } => {
                disk.get_mut(&segment).unwrap().truncate(usize::try_from(length).unwrap());
            }
            Repair::Remove { segment } => {
                disk.remove(&segment);
            }
        }
    }
}

/// Everything served was appended, in order; whatever is missing makes its chain suspect.
fn check_honest(scan: &Scan, appended: &[Record]) {
    let mut served = scan.records.iter().peekable();
    for record in appended {
        if served.next_if(|next| *next == record).is_none() {
            assert!(
                scan.report.is_suspect(record.chain, record.height - 1),
                "lost {record:?} in silence: {}",
                scan.report
            );
        }
    }
    assert_eq!(served.next(), None, "served a record that was not appended");
}

#[test]
fn an_intact_journal_reads_back() {
    let (disk, batches) = sample();
    let scan = scan(&disk);
    assert_eq!(scan.records, batches.concat());
    assert_eq!(scan.report, Report::default());
    assert_eq!(scan.repair, []);
    assert_eq!(scan.next, Next { journal: Some(JOURNAL), number: 3, batch: 7 });
    assert_eq!(scan.segments[0].heights, BTreeMap::from([(chain("one"), 1), (chain("two"), 7)]));
}

#[test]
fn every_flipped_bit_is_reported_and_costs_at_most_its_record() {
    let (disk, batches) = sample();
    let appended = batches.concat();
    for number in [1, 2] {
        for bit in 0..disk[&number].len() * 8 {
            let mut flipped = disk.clone();
            flipped.get_mut(&number).unwrap()[bit / 8] ^= 1 << (bit % 8);
            let scan = scan(&flipped);
            check_honest(&scan, &appended);
            assert!(!scan.report.is_clean(), "segment {number}, bit {bit}");
            assert_eq!(scan.report.torn, None, "segment {number}, bit {bit}");
            assert!(scan.records.len() + 1 >= appended.len(), "segment {number}, bit {bit}");
            assert!(
                scan.report.damage.iter().all(|damage| damage.lost != Lost::Unknown),
                "segment {number}, bit {bit}: {}",
                scan.report
            );
        }
    }
}

#[test]
fn every_truncation_of_the_last_segment_leaves_whole_batches() {
    let (disk, batches) = sample();
    for length in 0..disk[&2].len() {
        let mut cut = disk.clone();
        cut.get_mut(&2).unwrap().truncate(length);
        let first = scan(&cut);
        let kept = (2..=4).find(|&kept| first.records == batches[..kept].concat());
        assert!(kept.is_some(), "length {length}");
        assert!(first.report.is_clean(), "length {length}: {}", first.report);

        repair(&mut cut, &first.repair);
        let second = scan(&cut);
        assert_eq!(second.records, first.records, "length {length}");
        assert_eq!((second.report, second.repair), (Report::default(), vec![]), "length {length}");
        assert_eq!(second.next, first.next, "length {length}");
    }
}

#[test]
fn only_a_cut_between_batches_is_no_tear() {
    let (disk, _) = sample();
    let ends = (0..disk[&2].len()).filter(|&length| {
        let mut cut = disk.clone();
        cut.get_mut(&2).unwrap().truncate(length);
        scan(&cut).report.torn.is_none()
    });
    // Behind the inventory and behind the first batch of records.
    assert_eq!(ends.count(), 2);
}

#[test]
fn every_truncation_of_an_earlier_segment_is_damage() {
    let (disk, batches) = sample();
    for length in 0..disk[&1].len() {
        let mut cut = disk.clone();
        cut.get_mut(&1).unwrap().truncate(length);
        let scan = scan(&cut);
        check_honest(&scan, &batches.concat());
        assert!(!scan.report.is_clean(), "length {length}");
        assert_eq!(scan.report.torn, None);
        assert_eq!(scan.repair, [], "evidence is never cut off");
    }
}

#[test]
fn a_zero_sector_is_a_tear_in_the_last_batch_and_damage_before() {
    let (mut writer, mut bytes) = SegmentWriter::create(JOURNAL, 1, 1, &[]);
    let records: Vec<_> = (1..=2).map(|height| record("one", height, &[3; 2000])).collect();
    writer.append(&records[..1], None, &mut bytes).unwrap();
    let last = bytes.len();
    writer.append(&records[1..], None, &mut bytes).unwrap();
    for start in (512..bytes.len()).step_by(512) {
        let mut zeroed = bytes.clone();
        let end = bytes.len().min(start + 512);
        zeroed[start..end].fill(0);
        let scan = scan(&Disk::from([(1, zeroed)]));
        if start >= last {
            assert_eq!(scan.records, records[..1], "sector at {start}");
            assert_eq!(scan.report.torn.map(|torn| torn.offset), Some(last as u64), "sector at {start}");
        } else {
            check_honest(&scan, &records);
            assert!(!scan.report.is_clean(), "sector at {start}");
        }
    }
}

#[test]
fn a_frame_is_good_only_in_its_place() {
    let (mut writer, mut bytes) = SegmentWriter::create(JOURNAL, 1, 1, &[]);
    let mut starts = Vec::new();
    let records: Vec<_> = (1..=3).map(|height| record("one", height, b"same length")).collect();
    for record in &records {
        starts.push(bytes.len());
        writer.append([record], None, &mut bytes).unwrap();
    }
    let length = starts[1] - starts[0];
    let mut swapped = bytes.clone();
    swapped.copy_within(starts[1]..starts[1] + length, starts[0]);
    let scan = scan(&Disk::from([(1, swapped)]));
    assert_eq!(scan.records, records[1..]);
    assert!(scan.report.is_suspect(chain("one"), 0));
}

#[test]
fn a_missing_segment_makes_every_chain_suspect() {
    let (mut disk, _) = sample();
    disk.remove(&1);
    let scan = scan(&disk);
    assert_eq!(scan.report.damage.len(), 1);
    assert_eq!((scan.report.damage[0].segment, scan.report.damage[0].cause), (1, Cause::MissingSegment));
    assert!(scan.report.is_suspect(chain("never seen"), u64::MAX));
    // The loss is remembered: the segment stays listed until the host lets go of it.
    let numbers: Vec<_> = scan.segments.iter().map(|segment| (segment.number, segment.unresolved)).collect();
    assert_eq!(numbers, [(1, true), (2, false)]);
    assert!(!scan.segments[0].is_flushed(&BTreeMap::new()));
}

#[test]
fn a_lost_record_keeps_its_segment_until_its_height_is_flushed() {
    let (mut disk, _) = sample();
    // The only record of chain "three" in the first batch of the second segment.
    let start = scan(&disk).records.len();
    assert_eq!(start, 9);
    let header = segment::FIRST_BATCH_OFFSET + frame::frame_len(8) + frame::frame_len(0);
    disk.get_mut(&2).unwrap()[header] ^= 1;
    let scan = scan(&disk);
    assert_eq!(scan.report.damage[0].lost, Lost::Records(vec![(chain("three"), 2)]));
    assert_eq!(scan.segments[1].heights[&chain("three")], 3);
}

#[test]
fn a_trimmed_segment_that_came_back_is_removed_and_not_served() {
    let (mut disk, batches) = sample();
    let mut third = Vec::new();
    let mut writer = {
        let (writer, bytes) = SegmentWriter::create(JOURNAL, 3, 7, &[1, 2]);
        third.extend(bytes);
        writer
    };
    writer.append([], Some(&[2]), &mut third).unwrap();
    disk.insert(3, third);
    let scan = scan(&disk);
    assert_eq!(scan.records, batches[2..].concat());
    assert_eq!(scan.repair, [Repair::Remove { segment: 1 }]);
    assert!(scan.report.is_clean());
}

#[test]
fn foreign_and_renamed_segments_are_not_served() {
    let (mut disk, batches) = sample();
    let (mut writer, mut foreign) = SegmentWriter::create(JournalId([9; 16]), 1, 1, &[]);
    writer.append(&batches[0], None, &mut foreign).unwrap();
    let original = disk.insert(1, foreign).unwrap();
    let with_foreign = scan(&disk);
    assert_eq!(with_foreign.records, batches[2..].concat());
    assert_eq!(with_foreign.report.damage[0].cause, Cause::Foreign);

    disk.insert(1, disk[&2].clone());
    let with_renamed = scan(&disk);
    assert_eq!(with_renamed.records, batches[2..].concat());
    assert_eq!(with_renamed.report.damage[0].cause, Cause::Misnamed);

    let (_, later) = SegmentWriter::create(JOURNAL, 2, 9, &[1]);
    let gap = scan(&Disk::from([(1, original), (2, later)]));
    assert_eq!(gap.report.damage[0].cause, Cause::MissingBatches);
}

#[test]
fn a_record_nobody_can_name_makes_every_chain_suspect() {
    let (disk, batches) = sample();
    let mut hit = disk.clone();
    let first = hit.get_mut(&1).unwrap();
    // The first record's header and the commit of the same batch.
    let start = segment::FIRST_BATCH_OFFSET + frame::frame_len(0) * 2;
    let commit =
        start + batches[0].iter().map(|record| frame::frame_len(record.payload.len())).sum::<usize>();
    first[start] ^= 1;
    first[commit + 100] ^= 1;
    let scan = scan(&hit);
    assert_eq!(scan.records, batches.concat()[1..]);
    assert!(scan.report.is_suspect(chain("never seen"), u64::MAX));
}

#[test]
fn a_newer_version_is_refused() {
    let (disk, _) = sample();
    let mut newer = disk[&2].clone();
    newer[11] = 2;
    newer[64 + 11] = 2;
    let error = Scanner::new([2]).segment(2, &newer).unwrap_err();
    assert_eq!(error, crate::UnsupportedVersion { found: 2, supported: 1 });
}

#[test]
fn a_payload_beyond_the_limit_is_refused_before_anything_is_appended() {
    let (mut writer, mut bytes) = SegmentWriter::create(JOURNAL, 1, 1, &[]);
    let before = bytes.len();
    let records = [record("one", 1, b""), record("one", 1, &vec![0; PAYLOAD_BYTES_MAX + 1])];
    let error = writer.append(&records, None, &mut bytes).unwrap_err();
    assert_eq!(error, RecordTooLarge { actual: PAYLOAD_BYTES_MAX + 1, max: PAYLOAD_BYTES_MAX });
    assert_eq!((bytes.len(), writer.len(), writer.next_batch()), (before, before as u64, 2));
}

#[test]
fn bytes_are_pinned() {
    let (disk, _) = sample();
    assert_eq!(hex::encode(&disk[&1]), include_str!("../../fixtures/journal-segment-1.hex").trim());
    assert_eq!(hex::encode(&disk[&2]), include_str!("../../fixtures/journal-segment-2.hex").trim());
}

fn any_record() -> impl Strategy<Value = Record> {
    (0..4u8, 1..9u64, any::<u8>(), proptest::collection::vec(any::<u8>(), 0..300)).prop_map(
        |(name, height, kind, payload)| Record { chain: chain(&name.to_string()), height, kind, payload },
    )
}

proptest! {
    #[test]
    fn batches_round_trip_and_any_tear_leaves_a_prefix(
        batches in proptest::collection::vec(proptest::collection::vec(any_record(), 0..5), 1..6),
        cut in any::<proptest::sample::Index>(),
    ) {
        let (mut writer, mut bytes) = SegmentWriter::create(JOURNAL, 5, 3, &[]);
        for batch in &batches {
            writer.append(batch, None, &mut bytes).unwrap();
        }
        prop_assert_eq!(writer.len(), bytes.len() as u64);
        let whole = scan(&Disk::from([(5, bytes.clone())]));
        prop_assert_eq!(&whole.records, &batches.concat());
        prop_assert!(whole.report.is_clean() && whole.report.torn.is_none());

        bytes.truncate(cut.index(bytes.len()));
        let torn = scan(&Disk::from([(5, bytes)]));
        prop_assert!(torn.report.is_clean());
        prop_assert!((0..=batches.len()).any(|kept| torn.records == batches[..kept].concat()));
    }

    #[test]
    fn any_overwritten_range_is_never_served(
        number in 1..=2u64,
        at in any::<proptest::sample::Index>(),
        garbage in proptest::collection::vec(1..=255u8, 1..400),
    ) {
        let (mut disk, batches) = sample();
        let bytes = disk.get_mut(&number).unwrap();
        let start = at.index(bytes.len());
        let end = bytes.len().min(start + garbage.len());
        let before = bytes.clone();
        bytes[start..end].copy_from_slice(&garbage[..end - start]);
        prop_assume!(*bytes != before);
        let scan = scan(&disk);
        check_honest(&scan, &batches.concat());
        prop_assert!(!scan.report.is_clean());
    }

    #[test]
    fn any_bytes_give_a_result(bytes in proptest::collection::vec(any::<u8>(), 0..2000), keep in 0..700usize) {
        let (disk, _) = sample();
        let mut mixed = disk[&1][..keep].to_vec();
        mixed.extend(bytes);
        let mut scanner = Scanner::new([1]);
        if scanner.segment(1, &mixed).is_ok() {
            let scan = scanner.finish();
            prop_assert!(scan.records.len() <= 3);
        }
    }
}
