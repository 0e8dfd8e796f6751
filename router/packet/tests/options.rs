//! What a client may be created with, each option to its last value.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use catenary_packet::{
    PacketCall,
    messages::{CreateClient, Fraction},
    testing::{Actor, TestChain, packet_call},
};
use catenary_types::{Height, Message, Timestamp};
use common::lane::reason;

#[test]
fn options_of_a_client_have_bounds() {
    let mut target = TestChain::new("south-bank", 1);
    let source = TestChain::new("north-bank", 4);
    let good = source.client_at(Height(1));
    let fraction = |numerator, denominator| Fraction { numerator, denominator };
    let change = |change: fn(&mut CreateClient)| {
        let mut create = good.clone();
        change(&mut create);
        create
    };
    let bad = [
        change(|create| create.chain_id = String::new()),
        change(|create| create.trusting_period_s = 0),
        change(|create| create.trusting_period_s = u64::MAX),
        change(|create| create.clock_drift_ms = 0),
        change(|create| create.clock_drift_ms = 9_999),
        change(|create| create.update_bytes_max = 0),
        change(|create| create.update_bytes_max = u64::MAX),
    ];
    let bad_fractions = [fraction(0, 0), fraction(1, 0), fraction(0, 1), fraction(1, 4), fraction(4, 3)];
    let trusts = bad_fractions.map(|trust_level| CreateClient { trust_level, ..good.clone() });
    let bad_quorums = [fraction(0, 0), fraction(1, 0), fraction(1, 3), fraction(1, 1), fraction(3, 2)];
    let quorums = bad_quorums.map(|quorum| CreateClient { quorum, ..good.clone() });
    for create in bad.into_iter().chain(trusts).chain(quorums) {
        let receipt = target.call(Actor::Operator, &PacketCall::CreateClient(create.clone()));
        assert_eq!(reason(&receipt), "INVALID_ARGUMENT", "{create:?}");
    }
    let first = source.at(Height(1));
    let weak = source.certify(first.signed.header.clone(), &first.validators, 0, &[0, 1]);
    let weak = CreateClient { signed_header: weak.encode(), ..good.clone() };
    let other = change(|create| create.chain_id = "catenary-berka-1".into());
    let small = change(|create| create.update_bytes_max = 100);
    for create in [weak, other, small] {
        let receipt = target.call(Actor::Operator, &PacketCall::CreateClient(create));
        assert_eq!(reason(&receipt), "INVALID_HEADER");
    }
    let create = packet_call(&PacketCall::CreateClient(good));
    let first = first.signed.header.time;
    let [early, late] = [first.0 - 10_000_000_000, first.0 + 864_000 * 1_000_000_000];
    let at = |time| {
        let mut target = TestChain::starting_at("west-bank", Timestamp(early - 1));
        target.transact_at(Timestamp(time), Actor::Operator, vec![create.clone()]).reason
    };
    assert_eq!(at(early), "INVALID_ARGUMENT", "ten seconds from the future");
    assert_eq!(at(early + 1), "");
    assert_eq!(at(late - 1), "");
    assert_eq!(at(late), "CLIENT_EXPIRED");
}

#[test]
fn options_of_a_client_reach_to_their_bounds() {
    let source = TestChain::new("north-bank", 4);
    let good = source.client_at(Height(1));
    let bytes = (good.signed_header.len() + good.validators.len()) as u64;
    let reason_of = |create: CreateClient| {
        let mut target = TestChain::new("south-bank", 1);
        target.call(Actor::Operator, &PacketCall::CreateClient(create)).reason
    };
    let (invalid, small) = ("INVALID_ARGUMENT", "INVALID_HEADER");
    for (numerator, denominator, as_trust, as_quorum) in [
        (1, 3, "", invalid),
        (1, 2, "", ""),
        (1_000, 1_000, "", invalid),
        (999, 1_000, "", ""),
        (999, 1_001, invalid, invalid),
        (333, 1_000, invalid, invalid),
        (499, 1_000, "", invalid),
    ] {
        let share = Fraction { numerator, denominator };
        let trust = CreateClient { trust_level: share.clone(), ..good.clone() };
        assert_eq!(reason_of(trust), as_trust, "trust of {numerator}/{denominator}");
        let quorum = CreateClient { quorum: share, ..good.clone() };
        assert_eq!(reason_of(quorum), as_quorum, "quorum of {numerator}/{denominator}");
    }
    for (trusting_period_s, expected) in [(90 * 86_400, ""), (90 * 86_400 + 1, invalid)] {
        assert_eq!(reason_of(CreateClient { trusting_period_s, ..good.clone() }), expected);
    }
    for (clock_drift_ms, expected) in [(10_000, ""), (600_000, ""), (600_001, invalid)] {
        assert_eq!(reason_of(CreateClient { clock_drift_ms, ..good.clone() }), expected);
    }
    for (update_bytes_max, expected) in
        [(bytes, ""), (bytes - 1, small), (256 * 1024, ""), (256 * 1024 + 1, invalid)]
    {
        assert_eq!(reason_of(CreateClient { update_bytes_max, ..good.clone() }), expected);
    }
}
