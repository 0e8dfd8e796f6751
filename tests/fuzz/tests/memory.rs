//! Decoders hold a bounded multiple of what they are given: a small message does not become a large one.

use cap::Cap;
use catenary_fuzz::{TARGETS, cases::Cases};
use catenary_packet::{ClientId, Packet, Sequence};
use catenary_types::{Message, UnixSeconds};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// Bytes of each input.
const INPUT_BYTES: usize = 1 << 16;
/// Bytes held at once while it is read. An empty message of two bytes takes up to 120; measured are 62 times the input for our
/// decoders, 81 for the stock ones.
const HELD_BYTES_MAX: usize = 128 * INPUT_BYTES;

/// Inputs that cost a careless decoder most: endless lists of empty messages, and lengths beyond the end.
fn greedy() -> Vec<Vec<u8>> {
    let lists = (1..16u8).map(|field| [field << 3 | 2, 0].repeat(INPUT_BYTES / 2));
    let nested = (1..16u8).map(|field| {
        let inner = [0x0a, 0].repeat(INPUT_BYTES / 2 - 4);
        [
            &[field << 3 | 2, 0x80 | (inner.len() & 0x7f) as u8],
            &[(inner.len() >> 7 | 0x80) as u8, (inner.len() >> 14) as u8][..],
            &inner,
        ]
        .concat()
    });
    let beyond = (1..16u8).map(|field| [&[field << 3 | 2], &[0xff; 9][..], &[1]].concat());
    // A multiproof that opens more places than it could ever fill.
    let tree = [&[1, 2, 0, 0][..], &[1, 1, 1].repeat(INPUT_BYTES / 3)].concat();
    // Empty payloads are the largest things that two bytes can stand for.
    let id = ClientId::bft(0);
    let packet = Packet {
        sequence: Sequence::FIRST,
        source_client: id.clone(),
        dest_client: id,
        timeout_timestamp: UnixSeconds(1),
        payloads: Vec::new(),
    };
    let packet = [packet.encode(), [0x2a, 0].repeat(INPUT_BYTES / 2)].concat();
    lists.chain(nested).chain(beyond).chain([packet, tree, Cases::new(5).bytes(INPUT_BYTES)]).collect()
}

#[test]
fn what_is_read_takes_a_bounded_multiple_of_its_bytes() {
    let readers = ["decoding", "names", "conversions"];
    let targets: Vec<_> = TARGETS.iter().filter(|target| readers.contains(&target.group)).collect();
    assert!(targets.len() > 10);
    let inputs = greedy();
    // Whatever is made once is made before.
    targets.iter().for_each(|target| (target.body)(&[]));
    let before = ALLOCATOR.allocated();
    for target in targets {
        for input in &inputs {
            (target.body)(input);
            let held = ALLOCATOR.max_allocated().saturating_sub(before);
            assert!(held <= HELD_BYTES_MAX, "{} held {held} bytes for {}", target.name, input.len());
        }
    }
}
