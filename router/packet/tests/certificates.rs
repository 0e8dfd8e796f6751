//! Certificates that prove too little: on real chains, each a step beside an honest one.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use catenary_packet::{
    PacketCall, ReadClients,
    bft::Members,
    messages::{HeaderUpdate, SubmitMisbehaviour, UpdateClient},
    records::Standing,
    testing::{Actor, TestLane, packet_call, validator},
};
use catenary_types::{
    Header, Height, Receipt, SignedHeader, ValidatorSet,
    wire::{Field, write_bytes},
};
use common::lane::{assert_ok, reason};

fn lane(validators: usize) -> TestLane {
    let mut lane = TestLane::new(validators, 1);
    (0..6).for_each(|_| lane.source.seal());
    lane
}

/// Shows the target a header of the source.
fn show(lane: &mut TestLane, update: HeaderUpdate) -> Receipt {
    let call = PacketCall::UpdateClient(UpdateClient { client: lane.target_client.clone(), update });
    let time = lane.next_time();
    lane.target.transact_at(time, Actor::Relayer, vec![packet_call(&call)])
}

fn submit(lane: &mut TestLane, first: HeaderUpdate, second: HeaderUpdate) -> Receipt {
    let client = lane.target_client.clone();
    let evidence = PacketCall::SubmitMisbehaviour(SubmitMisbehaviour { client, first, second });
    let time = lane.next_time();
    lane.target.transact_at(time, Actor::Relayer, vec![packet_call(&evidence)])
}

fn standing(lane: &TestLane) -> Standing {
    lane.target.state.client(&lane.target_client).unwrap().standing
}

fn certified_without(lane: &TestLane, height: Height, absent: &[usize]) -> SignedHeader {
    let block = lane.source.at(height);
    lane.source.certify(block.signed.header.clone(), &block.validators, 0, absent)
}

#[test]
fn exactly_two_thirds_are_not_enough() {
    let mut lane = lane(3);
    let update = lane.source.update_with(Height(1), &certified_without(&lane, Height(5), &[2]));
    assert_eq!(reason(&show(&mut lane, update)), "INVALID_HEADER");
    let update = lane.source.update(Height(1), Height(5));
    assert_ok(&show(&mut lane, update));
}

#[test]
fn powers_come_from_the_set_that_the_header_names() {
    let mut lane = lane(4);
    let weak = certified_without(&lane, Height(5), &[2, 3]);
    let mut update = lane.source.update_with(Height(1), &weak);
    let mut members = lane.source.at(Height(5)).validators.validators().to_vec();
    members[..2].iter_mut().for_each(|member| member.power = 1_000);
    update.validators = ValidatorSet::new(members).unwrap().encode().unwrap();
    assert_eq!(reason(&show(&mut lane, update)), "INVALID_HEADER");
}

#[test]
fn a_certificate_has_an_entry_for_every_validator() {
    let mut lane = lane(4);
    let mut short = lane.source.at(Height(5)).signed.clone();
    short.certificate.signatures.pop();
    let update = lane.source.update_with(Height(1), &short);
    assert_eq!(reason(&show(&mut lane, update)), "INVALID_HEADER");
    let mut twice = lane.source.at(Height(5)).signed.clone();
    twice.certificate.signatures[1] = twice.certificate.signatures[0];
    let update = lane.source.update_with(Height(1), &twice);
    assert_eq!(reason(&show(&mut lane, update)), "INVALID_HEADER");
}

#[test]
fn strangers_cannot_freeze_a_client() {
    let mut lane = lane(4);
    let strangers = (4..8).map(|index| validator("north-bank", index, 10)).collect();
    let strangers = ValidatorSet::new(strangers).unwrap();
    let update = |change: fn(&mut Header)| {
        let mut header = lane.source.at(Height(5)).signed.header.clone();
        header.validators_hash = strangers.hash();
        change(&mut header);
        let signed = lane.source.certify(header, &strangers, 0, &[]);
        HeaderUpdate::new(&signed, &strangers, Height(1), &lane.source.at(Height(1)).next_validators)
    };
    let (first, second) = (update(|_| {}), update(|header| header.protocol_version += 1));
    assert_eq!(reason(&submit(&mut lane, first, second)), "INVALID_HEADER");
    assert_eq!(standing(&lane), Standing::Sound);
}

#[test]
fn evidence_is_above_its_trusted_height() {
    let mut lane = lane(4);
    let update = lane.source.update(Height(1), Height(6));
    assert_ok(&show(&mut lane, update));
    let forged = lane.source.forge(Height(4), |header| header.protocol_version += 1);
    let honest = lane.source.at(Height(4)).signed.clone();
    for (trusted, expected) in [(6, Standing::Sound), (1, Standing::Frozen)] {
        let of = |signed| lane.source.update_with(Height(trusted), signed);
        let (first, second) = (of(&forged), of(&honest));
        submit(&mut lane, first, second);
        assert_eq!(standing(&lane), expected);
    }
}

#[test]
fn bytes_that_decoders_skip_are_refused() {
    let mut lane = lane(4);
    let honest = lane.source.update(Height(1), Height(5));
    // Field 15, a number: unknown to every one of the three messages.
    let changes: [fn(&mut HeaderUpdate); 3] = [
        |update| update.signed_header.extend([0x78, 1]),
        |update| update.validators.extend([0x78, 1]),
        |update| update.trusted_validators.extend([0x78, 1]),
    ];
    for change in changes {
        let mut update = honest.clone();
        change(&mut update);
        assert_eq!(reason(&show(&mut lane, update)), "INVALID_HEADER");
    }
    assert_ok(&show(&mut lane, honest));
}

#[test]
fn a_set_has_a_member_as_proposer_and_power_for_all() {
    let set = |validators: &[(usize, u64)], proposer: Option<usize>, total: u64| {
        let raw = |(index, power): (usize, u64)| {
            let member = validator("north-bank", index, power.max(1));
            let mut out = Vec::new();
            write_bytes(1, &member.address().0, &mut out);
            let mut key = Vec::new();
            write_bytes(1, &member.public_key.0, &mut key);
            write_bytes(2, &key, &mut out);
            power.write(3, &mut out);
            out
        };
        let mut out = Vec::new();
        validators.iter().for_each(|one| write_bytes(1, &raw(*one), &mut out));
        proposer.into_iter().for_each(|index| write_bytes(2, &raw((index, 10)), &mut out));
        total.write(3, &mut out);
        Members::decode(&out).is_ok()
    };
    let two = [(0, 10), (1, 10)];
    assert!(set(&two, Some(1), 0) && set(&two, Some(0), 20));
    assert!(!set(&two, None, 0), "no proposer");
    assert!(!set(&two, Some(2), 0), "a proposer from outside");
    assert!(!set(&two, Some(0), 21), "a wrong total");
    assert!(!set(&[(0, 10), (0, 10)], Some(0), 0), "a member twice");
    assert!(!set(&[(0, 10), (1, 0)], Some(0), 0), "a member without power");
    assert!(!set(&[], None, 0), "nobody");
    let limit = (i64::MAX / 8) as u64;
    assert!(set(&[(0, limit)], Some(0), 0) && !set(&[(0, limit), (1, 1)], Some(0), 0), "total power");
}
