//! Which packets are well formed, to the last byte of each limit.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use catenary_packet::{
    Packet, Payload, Sequence,
    messages::{Fraction, PacketError},
    testing,
};
use catenary_types::UnixSeconds;

fn packet() -> Packet {
    testing::packet(b"{}".to_vec())
}

fn verdict(change: impl FnOnce(&mut Packet, &mut Payload)) -> Result<(), PacketError> {
    let mut packet = packet();
    let mut payload = packet.payloads.remove(0);
    change(&mut packet, &mut payload);
    packet.payloads.insert(0, payload);
    packet.check().map(|_| ())
}

#[test]
fn a_packet_has_a_sequence_a_deadline_and_one_payload() {
    assert_eq!(packet().check(), Ok(&packet().payloads[0]));
    assert_eq!(verdict(|packet, _| packet.sequence = Sequence(0)), Err(PacketError::Sequence));
    assert_eq!(verdict(|packet, _| packet.timeout_timestamp = UnixSeconds(0)), Err(PacketError::Timeout));
    let twice = verdict(|packet, payload| packet.payloads.push(payload.clone()));
    assert_eq!(twice, Err(PacketError::Payloads(2)));
    let none = Packet { payloads: Vec::new(), ..packet() };
    assert_eq!(none.check(), Err(PacketError::Payloads(0)));
}

#[test]
fn ports_have_2_to_128_plain_characters() {
    for good in ["ab", "a.b_c+d-e#f[g]h<i>1Z", &"a".repeat(128)] {
        assert_eq!(verdict(|_, payload| payload.source_port = good.into()), Ok(()));
        assert_eq!(verdict(|_, payload| payload.dest_port = good.into()), Ok(()));
    }
    for bad in ["", "a", "a b", "a/b", "é", &"a".repeat(129)] {
        let error = PacketError::Port(bad.chars().take(80).collect());
        assert_eq!(verdict(|_, payload| payload.source_port = bad.into()), Err(error.clone()));
        assert_eq!(verdict(|_, payload| payload.dest_port = bad.into()), Err(error));
    }
}

#[test]
fn version_and_encoding_are_neither_blank_nor_long_and_the_value_has_bytes() {
    for (label, good) in
        [("v", true), (&"v".repeat(128), true), ("", false), (" \t", false), (&"v".repeat(129), false)]
    {
        let expected = if good { Ok(()) } else { Err(PacketError::Label) };
        assert_eq!(verdict(|_, payload| payload.version = label.into()), expected);
        assert_eq!(verdict(|_, payload| payload.encoding = label.into()), expected);
    }
    for (length, good) in [(1, true), (262_144, true), (0, false), (262_145, false)] {
        let expected = if good { Ok(()) } else { Err(PacketError::Value(length)) };
        assert_eq!(verdict(|_, payload| payload.value = vec![7; length]), expected);
    }
}

#[test]
fn a_share_of_power_is_exceeded_by_more_than_it() {
    let two_thirds = Fraction { numerator: 2, denominator: 3 };
    for (power, total, exceeded) in
        [(2, 3, false), (3, 4, true), (2, 4, false), (67, 100, true), (66, 100, false), (0, 0, false)]
    {
        assert_eq!(two_thirds.is_exceeded_by(power, total), exceeded, "{power} of {total}");
    }
    assert!(!two_thirds.is_exceeded_by(u64::MAX / 3 * 2, u64::MAX));
    assert!(two_thirds.is_exceeded_by(u64::MAX / 3 * 2 + 1, u64::MAX));
    for (numerator, denominator, reached) in
        [(2, 3, true), (4, 6, true), (1, 2, true), (3, 4, false), (1, 1, false)]
    {
        assert_eq!(two_thirds.is_at_least(numerator, denominator), reached, "{numerator}/{denominator}");
    }
}
