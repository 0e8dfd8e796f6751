//! A packet belongs to one lane: everything else about it proven, the other chain's other clients change nothing. And
//! how much an answer and a proof may hold.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use catenary_crypto::Hash;
use catenary_ledger::Reason;
use catenary_packet::{
    ClientId, PacketCall, Sequence,
    commitment::{ERROR_ACKNOWLEDGEMENT, receipt_key},
    messages::{MerkleProofs, Proof, RegisterCounterparty, RetryHeld},
    proof::{Claim, verify},
    testing::{Actor, DONE, TestChain, TestLane},
};
use catenary_types::Height;
use common::lane::{assert_ok, counters, ibc, later, reason};

fn register(chain: &mut TestChain, client: u64, counterparty: u64) {
    let (client, counterparty) = (ClientId::bft(client), ClientId::bft(counterparty));
    let register = RegisterCounterparty { client, counterparty };
    assert_ok(&chain.call(Actor::Operator, &PacketCall::RegisterCounterparty(register)));
}

#[test]
fn a_packet_arrives_over_the_client_that_it_names_alone() {
    // Both clients of the target follow the source and name the same client of it.
    let mut lane = TestLane::new(1, 1);
    register(&mut lane.target, 0, 0);
    let deadline = later(&lane);
    let packets = lane.send(&[b"one"], deadline);
    let named = std::mem::replace(&mut lane.target_client, ClientId::bft(0));
    let receipt = lane.receive(&packets);
    assert_ok(&receipt);
    assert_eq!(TestLane::outcomes(&receipt, &packets), ["refused"]);
    for client in [&lane.target_client, &named] {
        assert_eq!(ibc(&lane.target, &receipt_key(client, Sequence(1))), None);
    }
    lane.target_client = named;
    assert_eq!(TestLane::outcomes(&lane.receive(&packets), &packets), [DONE]);
    assert_eq!(counters(&lane)[3], 1);
}

#[test]
fn a_packet_arrives_from_the_registered_client_alone() {
    // A second client of the source claims the same far end.
    let mut lane = TestLane::new(1, 1);
    let create = PacketCall::CreateClient(lane.target.client_at(Height(1)));
    assert_ok(&lane.source.call(Actor::Operator, &create));
    register(&mut lane.source, 1, 1);
    lane.source_client = ClientId::bft(1);
    let deadline = later(&lane);
    let packets = lane.send(&[b"one"], deadline);
    let receipt = lane.receive(&packets);
    assert_eq!(TestLane::outcomes(&receipt, &packets), ["refused"]);
    assert_eq!(counters(&lane)[3], 0);
}

#[test]
fn an_answer_settles_the_packet_of_its_lane_alone() {
    let mut lane = TestLane::new(1, 1);
    let deadline = later(&lane);
    let packets = lane.send(&[b"fail"], deadline);
    let answers = TestLane::answers(&lane.receive(&packets));
    // The commitment does not cover the source client, so the proof holds for a packet that names another.
    let mut altered = answers.clone();
    altered[0].0.source_client = ClientId::bft(9);
    let receipt = lane.acknowledge(&altered);
    assert_eq!(TestLane::outcomes(&receipt, &packets), ["refused"]);
    assert_eq!(counters(&lane)[..3], [1, 0, 0]);
    assert_ok(&lane.acknowledge(&answers));
    assert_eq!(counters(&lane)[..3], [0, 0, 1]);
}

#[test]
fn what_is_held_is_released_for_its_packet_and_answer_alone() {
    let mut lane = TestLane::new(1, 1);
    let deadline = later(&lane);
    let packets = lane.send(&[b"late-fail"], deadline);
    let answers = TestLane::answers(&lane.receive(&packets));
    assert_ok(&lane.acknowledge(&answers));
    let [(packet, acknowledgement)] = answers.try_into().unwrap();
    let mut other = packet.clone();
    other.payloads[0].value = b"good".to_vec();
    for (packet, acknowledgement) in
        [(other, acknowledgement), (packet.clone(), ERROR_ACKNOWLEDGEMENT.to_vec()), (packet, Vec::new())]
    {
        let retry = PacketCall::RetryHeld(RetryHeld { packet, acknowledgement });
        assert_eq!(reason(&lane.source.call(Actor::Committee, &retry)), "INVALID_PACKET");
    }
    assert_eq!(counters(&lane)[..3], [1, 0, 0]);
}

#[test]
fn an_answer_has_at_most_32_kib() {
    let mut lane = TestLane::new(1, 1);
    let deadline = later(&lane);
    let [fits, long] = [32 * 1024, 32 * 1024 + 1].map(|length| vec![b'a'; length]);
    let packets = lane.send(&[&fits, &long], deadline);
    let answers = TestLane::answers(&lane.receive(&packets));
    assert!(answers[0].1 == fits, "the echo of what came");
    assert_eq!(answers[1].1, ERROR_ACKNOWLEDGEMENT);
}

#[test]
fn a_single_proof_has_at_most_64_kib() {
    let claim = Claim { key: receipt_key(&ClientId::bft(0), Sequence(1)), value: None };
    let detail = |length: usize| {
        let proof = Proof::Single(MerkleProofs { proofs: vec![vec![7; length]] });
        let refused = verify(&proof, &Hash([7; 32]), std::slice::from_ref(&claim)).unwrap_err();
        assert_eq!(refused.reason, Reason::InvalidProof);
        refused.detail
    };
    assert_eq!(detail(65_537), "proof of 65537 bytes, at most 65536");
    // As long as it may be it is read, and found to be nothing.
    assert!(!detail(65_536).contains("at most"));
}
