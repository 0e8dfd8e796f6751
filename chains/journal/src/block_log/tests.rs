//! Flips, tears and swaps: a block is served as it was appended, or its loss is reported by height.

use super::*;
use catenary_crypto::sha256;
use proptest::prelude::*;
use std::collections::BTreeMap;

type Disk = BTreeMap<u64, Vec<u8>>;
type Block = (u64, Vec<u8>, Vec<u8>);

fn identity() -> Identity {
    Identity::new("berka-0123456789abcdef-1", sha256(b"genesis")).unwrap()
}

fn block(height: u64) -> (Vec<u8>, Vec<u8>) {
    let length = usize::try_from(height * 37 % 90).unwrap();
    (vec![height as u8; length], format!("certificate {height}").into_bytes())
}

/// Two segments of three blocks each; in the second the log knows that everything up to `flushed` is flushed.
fn sample(flushed: u64) -> (Disk, Vec<Block>) {
    let mut disk = Disk::new();
    let mut blocks = Vec::new();
    let (mut writer, mut bytes) = SegmentWriter::create(identity(), 1, identity().first_chain_hash());
    for height in 1..=6 {
        if height == 4 {
            disk.insert(1, std::mem::take(&mut bytes));
            (writer, bytes) = SegmentWriter::create(identity(), 4, writer.chain_hash());
        }
        let (block, certificate) = block(height);
        let flushed = if height > 4 { flushed } else { 0 };
        writer.append(&block, &certificate, flushed, &mut bytes).unwrap();
        blocks.push((height, block, certificate));
    }
    disk.insert(4, bytes);
    (disk, blocks)
}

fn scan(disk: &Disk) -> Scan {
    let mut scanner = Scanner::new(identity(), disk.keys().copied());
    for (first, bytes) in disk {
        scanner.segment(*first, bytes).unwrap();
    }
    scanner.finish()
}

fn serve(disk: &Disk, scan: &Scan) -> Vec<Block> {
    let read = |located: &Located| {
        let bytes = &disk[&located.segment][usize::try_from(located.offset).unwrap()..];
        let entry = decode_entry(&identity(), located.segment, located.offset, bytes).unwrap();
        assert_eq!(entry.height, located.height);
        (entry.height, entry.block, entry.certificate)
    };
    scan.blocks.iter().map(read).collect()
}

fn is_reported(report: &Report, height: u64) -> bool {
    report.torn.is_some_and(|torn| torn.height <= height)
        || report
            .damage
            .iter()
            .any(|damage| damage.first <= height && damage.last.is_none_or(|last| height <= last))
}

/// Everything served was appended; whatever is missing is reported by its height.
fn check_honest(disk: &Disk, scan: &Scan, appended: &[Block]) {
    let served = serve(disk, scan);
    for block in appended {
        assert!(
            served.contains(block) || is_reported(&scan.report, block.0),
            "lost height {} in silence: {}",
            block.0,
            scan.report
        );
    }
    assert!(served.iter().all(|block| appended.contains(block)), "served a block that was not appended");
    assert!(served.is_sorted_by_key(|block| block.0));
}

#[test]
fn an_intact_log_reads_back() {
    let (disk, blocks) = sample(0);
    let scan = scan(&disk);
    assert_eq!(serve(&disk, &scan), blocks);
    assert_eq!((&scan.report, &scan.repair[..]), (&Report::default(), &[][..]));
    let end = scan.end.unwrap();
    assert_eq!((end.next_height, end.segment), (7, Some((4, disk[&4].len() as u64))));
}

#[test]
fn a_resumed_writer_goes_on_as_if_it_had_never_stopped() {
    let (mut disk, _) = sample(0);
    let end = scan(&disk).end.unwrap();
    let mut writer = SegmentWriter::resume(identity(), &end).unwrap();
    writer.append(b"seven", b"certificate", 6, disk.get_mut(&4).unwrap()).unwrap();
    let scan = scan(&disk);
    assert!(scan.report.is_clean());
    assert_eq!(serve(&disk, &scan).last().unwrap().1, b"seven");
}

#[test]
fn an_empty_log_starts_at_height_one() {
    let end = scan(&Disk::new()).end.unwrap();
    let chain_hash = identity().first_chain_hash();
    assert_eq!(end, End { next_height: 1, chain_hash, segment: None });
    assert!(SegmentWriter::resume(identity(), &end).is_none());
}

/// A log that goes on behind block 7 of the same chain.
fn based() -> (Identity, Disk) {
    let identity = identity().beginning_after(7, sha256(b"block 7"));
    let (mut writer, mut bytes) = SegmentWriter::create(identity.clone(), 8, identity.first_chain_hash());
    for height in 8..=9 {
        let (block, certificate) = block(height);
        writer.append(&block, &certificate, 0, &mut bytes).unwrap();
    }
    (identity, Disk::from([(8, bytes)]))
}

#[test]
fn a_log_that_begins_behind_a_block_has_the_heights_above_it_and_follows_that_block() {
    let (identity, disk) = based();
    let scan_as = |identity: Identity| {
        let mut scanner = Scanner::new(identity, [8]);
        scanner.segment(8, &disk[&8]).unwrap();
        scanner.finish()
    };
    let scan = scan_as(identity.clone());
    assert!(scan.report.is_clean(), "{}", scan.report);
    assert_eq!(scan.blocks.iter().map(|block| block.height).collect::<Vec<_>>(), [8, 9]);
    assert_eq!(scan.end.unwrap().next_height, 10);
    let empty = Scanner::new(identity.clone(), []).finish().end.unwrap();
    assert_eq!((empty.next_height, empty.chain_hash), (8, identity.first_chain_hash()));
    // Behind another block, or behind none, it is not this log.
    let other = scan_as(self::identity().beginning_after(7, sha256(b"another block 7")));
    assert_eq!(other.report.damage[0].cause, Cause::Chain);
    let whole = scan_as(self::identity());
    assert_eq!((whole.report.damage[0].first, whole.report.damage[0].last), (1, Some(7)));
    assert_eq!(whole.report.damage[0].cause, Cause::MissingEntries);
}

#[test]
fn every_flipped_bit_is_reported_and_costs_at_most_its_block() {
    let (disk, blocks) = sample(0);
    for first in [1, 4] {
        for bit in 0..disk[&first].len() * 8 {
            let mut flipped = disk.clone();
            flipped.get_mut(&first).unwrap()[bit / 8] ^= 1 << (bit % 8);
            let scan = scan(&flipped);
            check_honest(&flipped, &scan, &blocks);
            assert!(!scan.report.is_clean(), "segment {first}, bit {bit}");
            assert!(scan.blocks.len() + 1 >= blocks.len(), "segment {first}, bit {bit}: {}", scan.report);
            assert_eq!((scan.report.torn, &scan.repair[..]), (None, &[][..]), "segment {first}, bit {bit}");
        }
    }
}

#[test]
fn every_truncation_of_the_last_segment_is_cut_to_whole_blocks() {
    let (disk, blocks) = sample(0);
    for length in 0..disk[&4].len() {
        let mut cut = disk.clone();
        cut.get_mut(&4).unwrap().truncate(length);
        let first = scan(&cut);
        assert!(first.report.is_clean(), "length {length}: {}", first.report);
        let served = serve(&cut, &first);
        assert_eq!(served, blocks[..served.len()], "length {length}");

        for step in &first.repair {
            match *step {
                Repair::Truncate { segment, length } => {
                    cut.get_mut(&segment).unwrap().truncate(usize::try_from(length).unwrap());
                }
                Repair::Remove { segment } => drop(cut.remove(&segment)),
            }
        }
        let second = scan(&cut);
        assert_eq!(second.report, Report::default(), "length {length}");
        assert_eq!((second.end, &second.blocks), (first.end, &first.blocks), "length {length}");
    }
}

#[test]
fn every_truncation_of_an_earlier_segment_is_damage() {
    let (disk, blocks) = sample(0);
    for length in 0..disk[&1].len() {
        let mut cut = disk.clone();
        cut.get_mut(&1).unwrap().truncate(length);
        let scan = scan(&cut);
        check_honest(&cut, &scan, &blocks);
        assert!(!scan.report.is_clean(), "length {length}");
        assert_eq!((scan.report.torn, &scan.repair[..]), (None, &[][..]), "length {length}");
    }
}

fn with_zero_sector(flushed: u64) -> Scan {
    let (mut writer, mut bytes) = SegmentWriter::create(identity(), 1, identity().first_chain_hash());
    for height in 1..=3 {
        let flushed = if height == 3 { flushed } else { 0 };
        writer.append(&[height; 1500], b"certificate", flushed, &mut bytes).unwrap();
    }
    bytes[2560..3072].fill(0);
    scan(&Disk::from([(1, bytes)]))
}

#[test]
fn a_zero_sector_is_a_tear_only_above_the_flushed_height() {
    let torn = with_zero_sector(1);
    assert_eq!(torn.blocks.len(), 1);
    assert_eq!(torn.report.torn.map(|torn| torn.height), Some(2));
    assert!(torn.report.is_clean());
    assert_eq!(torn.end.unwrap().next_height, 2);

    let damaged = with_zero_sector(2);
    assert_eq!(damaged.blocks.iter().map(|block| block.height).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(damaged.report.torn, None);
    let damage = damaged.report.damage[0];
    assert_eq!((damage.first, damage.last, damage.cause), (2, Some(2), Cause::Body));
    assert_eq!(damaged.repair, []);
}

#[test]
fn an_unreadable_end_is_never_appended_to() {
    let (mut disk, _) = sample(0);
    let scan_of = scan(&disk);
    let last = scan_of.blocks[5];
    disk.get_mut(&4).unwrap()[usize::try_from(last.offset).unwrap()] ^= 1;
    let scan = scan(&disk);
    assert_eq!(scan.end, None);
    let damage = scan.report.damage[0];
    assert_eq!((damage.first, damage.last, damage.cause), (6, None, Cause::Head));
}

#[test]
fn an_intact_block_of_another_history_is_not_served() {
    let (disk, _) = sample(0);
    let (mut writer, mut other) = SegmentWriter::create(identity(), 1, identity().first_chain_hash());
    for height in 1..=3 {
        let (block, certificate) = block(height);
        let certificate = if height == 2 { b"certificate X".to_vec() } else { certificate };
        writer.append(&block, &certificate, 0, &mut other).unwrap();
    }
    let at = scan(&disk).blocks[1];
    let range = usize::try_from(at.offset).unwrap()..usize::try_from(at.offset + at.length).unwrap();
    let mut spliced = disk.clone();
    spliced.get_mut(&1).unwrap()[range.clone()].copy_from_slice(&other[range]);
    let scan = scan(&spliced);
    // Height 2 follows height 1 in both histories; height 3 betrays it.
    let damage = scan.report.damage[0];
    assert_eq!((damage.first, damage.last, damage.cause), (3, Some(3), Cause::Chain));
    assert!(scan.blocks.iter().all(|block| block.height != 3));
}

#[test]
fn foreign_renamed_and_missing_segments_are_reported() {
    let (disk, _) = sample(0);
    let stranger = Identity::new("berka-0123456789abcdef-1", sha256(b"another genesis")).unwrap();
    let (mut writer, mut foreign) = SegmentWriter::create(stranger.clone(), 1, stranger.first_chain_hash());
    writer.append(b"block", b"certificate", 0, &mut foreign).unwrap();
    let causes = |disk: &Disk| scan(disk).report.damage.iter().map(|damage| damage.cause).collect::<Vec<_>>();

    let mut changed = disk.clone();
    changed.insert(1, foreign);
    assert_eq!(causes(&changed), [Cause::Foreign]);
    changed.insert(1, disk[&4].clone());
    assert_eq!(causes(&changed), [Cause::Misnamed]);
    changed.remove(&1);
    assert_eq!(causes(&changed), [Cause::MissingEntries]);
    let scan = scan(&changed);
    assert_eq!((scan.report.damage[0].first, scan.report.damage[0].last), (1, Some(3)));
    assert_eq!(scan.blocks.first().map(|block| block.height), Some(4));
}

#[test]
fn limits_and_versions_are_checked() {
    let genesis = sha256(b"genesis");
    assert_eq!(Identity::new("", genesis).unwrap_err().actual, 0);
    assert_eq!(Identity::new(&"x".repeat(65), genesis).unwrap_err().actual, 65);
    let (mut writer, mut bytes) = SegmentWriter::create(identity(), 1, identity().first_chain_hash());
    let long = vec![0; crate::journal::PAYLOAD_BYTES_MAX + 1];
    assert_eq!(writer.append(&[], &long, 0, &mut bytes).unwrap_err().actual, long.len());
    bytes[11] = 2;
    bytes[160 + 11] = 2;
    let error = Scanner::new(identity(), [1]).segment(1, &bytes).unwrap_err();
    assert_eq!((error.found, error.supported), (2, 1));
}

#[test]
fn bytes_are_pinned() {
    let (disk, _) = sample(3);
    assert_eq!(hex::encode(&disk[&1]), include_str!("../../fixtures/block-log-segment-1.hex").trim());
    assert_eq!(hex::encode(&disk[&4]), include_str!("../../fixtures/block-log-segment-4.hex").trim());
    let (_, based) = based();
    assert_eq!(hex::encode(&based[&8]), include_str!("../../fixtures/block-log-segment-8.hex").trim());
}

/// All entries of a copy, read one by one.
fn copied(bytes: &[u8]) -> Result<Vec<Block>, SegmentError> {
    let cut = |height| SegmentError::Entry { height, error: EntryError::Cut };
    let (header, mut rest) = bytes.split_at_checked(SegmentReader::HEADER_LEN).ok_or(cut(0))?;
    let mut reader = SegmentReader::begin(header)?;
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        let length = reader.entry_len(rest.get(..SegmentReader::HEAD_LEN).ok_or(cut(0))?)?;
        let (entry, after) = rest.split_at_checked(length).ok_or(cut(0))?;
        let entry = reader.entry(entry)?;
        blocks.push((entry.height, entry.block, entry.certificate));
        rest = after;
    }
    Ok(blocks)
}

#[test]
fn a_copy_reads_entry_by_entry_and_no_flipped_bit_is_taken() {
    let (disk, blocks) = sample(4);
    assert_eq!(copied(&disk[&1]).unwrap(), blocks[..3]);
    assert_eq!(copied(&disk[&4]).unwrap(), blocks[3..]);
    let reader = SegmentReader::begin(&disk[&4][..SegmentReader::HEADER_LEN]).unwrap();
    assert_eq!((reader.identity(), reader.next_height()), (&identity(), 4));
    for at in 0..disk[&4].len() {
        let mut flipped = disk[&4].clone();
        flipped[at] ^= 1;
        match copied(&flipped) {
            // The header stands twice.
            Ok(read) => assert!(at < SegmentReader::HEADER_LEN && read == blocks[3..], "byte {at}"),
            Err(error) => assert!(at >= SegmentReader::HEADER_LEN, "byte {at}: {error}"),
        }
    }
}

#[test]
fn entries_of_a_copy_that_were_put_together_from_two_are_not_taken() {
    let (disk, _) = sample(4);
    let (mut writer, mut bytes) = SegmentWriter::create(identity(), 4, sha256(b"another history"));
    let (one, certificate) = block(4);
    writer.append(&one, &certificate, 0, &mut bytes).unwrap();
    let mut mixed = disk[&4][..SegmentReader::HEADER_LEN].to_vec();
    mixed.extend_from_slice(&bytes[SegmentReader::HEADER_LEN..]);
    assert_eq!(copied(&mixed), Err(SegmentError::Chain { height: 4 }));
    assert_eq!(copied(&[0; 400]), Err(SegmentError::NoSegment));
}

proptest! {
    #[test]
    fn any_overwritten_range_is_never_served(
        first in prop_oneof![Just(1u64), Just(4)],
        at in any::<proptest::sample::Index>(),
        garbage in proptest::collection::vec(1..=255u8, 1..400),
    ) {
        let (mut disk, blocks) = sample(4);
        let bytes = disk.get_mut(&first).unwrap();
        let start = at.index(bytes.len());
        let end = bytes.len().min(start + garbage.len());
        let before = bytes.clone();
        bytes[start..end].copy_from_slice(&garbage[..end - start]);
        prop_assume!(*bytes != before);
        let scan = scan(&disk);
        check_honest(&disk, &scan, &blocks);
        prop_assert!(!scan.report.is_clean());
    }

    #[test]
    fn any_bytes_give_a_result(bytes in proptest::collection::vec(any::<u8>(), 0..1500), keep in 0..700usize) {
        let (disk, blocks) = sample(0);
        let mut mixed = disk[&1][..keep].to_vec();
        mixed.extend(bytes);
        let mut scanner = Scanner::new(identity(), [1]);
        if scanner.segment(1, &mixed).is_ok() {
            let scan = scanner.finish();
            let served = serve(&Disk::from([(1, mixed)]), &scan);
            prop_assert!(served.iter().all(|block| blocks.contains(block)));
        }
        prop_assert!(decode_entry(&identity(), 1, 320, &disk[&1][..keep.min(200)]).is_err());
    }
}
