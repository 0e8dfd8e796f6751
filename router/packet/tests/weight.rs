//! What calls weigh, known from their bytes alone; and which are not worth a place in a block.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use catenary_ledger::{App, Reason};
use catenary_packet::{
    ClientId, Packet, PacketApp, PacketCall, is_redundant,
    messages::{
        Acknowledge, AcknowledgedPacket, CreateClient, HeaderUpdate, MerkleProofs, Proof, Receive,
        RecoverClient, RetryHeld, SubmitMisbehaviour, Timeout, UpdateClient,
    },
    testing::{self, TestChain, TestLane},
};
use catenary_types::Height;
use common::lane::{assert_ok, later};

/// Of a call, before what it carries.
const CALL: u64 = 100;
/// Of a packet, before its bytes.
const PACKET: u64 = 100;

fn weight(call: &PacketCall) -> u64 {
    PacketApp::new(Vec::new()).weight(call)
}

fn packet(value_bytes: usize) -> Packet {
    testing::packet(vec![7; value_bytes])
}

/// 61 bytes of header, certificate and sets.
fn update() -> HeaderUpdate {
    let [signed_header, validators, trusted_validators] = [10, 20, 31].map(|length| vec![7; length]);
    HeaderUpdate {
        signed_header,
        validators,
        trusted_height: Height(1),
        trusted_validators,
        parameters: None,
    }
}

#[test]
fn headers_weigh_half_their_bytes() {
    let (client, update) = (ClientId::bft(0), update());
    assert_eq!((update.len(), update.is_empty()), (61, false));
    let [signed_header, validators, trusted_validators] = Default::default();
    let nothing = HeaderUpdate { signed_header, validators, trusted_validators, ..update.clone() };
    assert!(nothing.is_empty());
    let call = UpdateClient { client: client.clone(), update: update.clone() };
    assert_eq!(weight(&PacketCall::UpdateClient(call)), CALL + 30);
    let evidence = SubmitMisbehaviour { client: client.clone(), first: update.clone(), second: update };
    assert_eq!(weight(&PacketCall::SubmitMisbehaviour(evidence)), CALL + 61);
    let mut create = TestChain::new("north-bank", 1).client_at(Height(1));
    create = CreateClient { signed_header: vec![7; 40], validators: vec![7; 23], ..create };
    assert_eq!(weight(&PacketCall::CreateClient(create)), CALL + 31);
    let recover = RecoverClient { client: client.clone(), substitute: client };
    assert_eq!(weight(&PacketCall::RecoverClient(recover)), CALL);
}

#[test]
fn packets_weigh_each_and_their_bytes_by_64() {
    let (client, proof_height) = (ClientId::bft(0), Height(1));
    let proof = || Proof::multi(vec![7; 200]);
    assert_eq!((proof().len(), proof().is_empty(), Proof::multi(Vec::new()).is_empty()), (200, false, true));
    let (packets, update) = (vec![packet(63), packet(130)], Some(update()));
    let of_packets = PACKET + PACKET + 2;
    let receive =
        Receive { client: client.clone(), update: update.clone(), proof_height, proof: proof(), packets };
    assert_eq!(weight(&PacketCall::Receive(receive.clone())), CALL + 30 + 3 + of_packets);
    let proof = Proof::Single(MerkleProofs { proofs: vec![vec![7; 100], vec![7; 29]] });
    let without = Receive { update: None, proof, ..receive.clone() };
    assert_eq!(weight(&PacketCall::Receive(without)), CALL + 2 + of_packets);
    let Receive { proof, packets, .. } = receive;
    let timeout = Timeout { client: client.clone(), update: update.clone(), proof_height, proof, packets };
    assert_eq!(weight(&PacketCall::Timeout(timeout.clone())), CALL + 30 + 3 + of_packets);
    let answered = |packet| AcknowledgedPacket { packet, acknowledgement: vec![7; 192] };
    let Timeout { proof, packets, .. } = timeout;
    let packets = packets.into_iter().map(answered).collect();
    let acknowledge = Acknowledge { client, update, proof_height, proof, packets };
    assert_eq!(weight(&PacketCall::Acknowledge(acknowledge)), CALL + 30 + 3 + of_packets + 2 * 3);
    let retry = RetryHeld { packet: packet(130), acknowledgement: vec![7; 320] };
    assert_eq!(weight(&PacketCall::RetryHeld(retry)), CALL + PACKET + 2 + 5);
}

#[test]
fn a_call_of_settled_packets_is_kept_out_of_the_pool() {
    let mut lane = TestLane::new(1, 1);
    let deadline = later(&lane);
    let packets = lane.send(&[b"one", b"two", b"three"], deadline);
    let receive = PacketCall::Receive(lane.receive_call(&packets[..2]));
    let answers = TestLane::answers(&lane.receive(&packets[..2]));
    let acknowledge = PacketCall::Acknowledge(lane.acknowledge_call(&answers));
    lane.target.block(deadline.start(), Vec::new());
    let timeout = PacketCall::Timeout(lane.timeout_call(&packets[2..]));
    let app = PacketApp::new(Vec::new());
    for call in [&acknowledge, &timeout] {
        assert!(!is_redundant(&lane.source.state, call));
        assert_eq!(app.admit(call, &lane.source.state), Ok(()));
    }
    assert_ok(&lane.acknowledge(&answers));
    assert_ok(&lane.timeout(&packets[2..]));
    for (call, chain) in [(&receive, &lane.target), (&acknowledge, &lane.source), (&timeout, &lane.source)] {
        assert!(is_redundant(&chain.state, call));
        assert_eq!(app.admit(call, &chain.state).unwrap_err().reason, Reason::Redundant);
    }
}
