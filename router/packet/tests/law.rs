//! The law of packets on real chains: batches, lanes, answers, callbacks that fail, roles, weight.

mod common;

use catenary_packet::{
    ClientId, Packet, PacketCall, ReadClients, Sequence,
    commitment::{
        ERROR_ACKNOWLEDGEMENT, acknowledgement_commitment, acknowledgement_key, commitment_key,
        packet_commitment, receipt_key,
    },
    messages::{Proof, RegisterCounterparty, RetryHeld, SetLane, UpdateClient},
    testing::{Actor, DONE, EchoCall, GovernanceCall, Mend, TestChain, TestLane, validator},
};
use catenary_types::{Call, Height, Message, Parameters, UnixSeconds};
use common::lane::{assert_ok, counters, ibc, later, reason};

#[test]
fn a_packet_goes_round_between_groups_of_one_four_and_five() {
    for (source, target) in [(1, 1), (4, 1), (1, 5), (5, 4)] {
        let mut lane = TestLane::new(source, target);
        let deadline = later(&lane);
        let packets = lane.send(&[b"one", b"two"], deadline);
        assert_eq!(counters(&lane), [2, 0, 0, 0]);
        let received = lane.receive(&packets);
        assert_ok(&received);
        assert_eq!(TestLane::outcomes(&received, &packets), [DONE, DONE]);
        let answers = TestLane::answers(&received);
        assert_eq!(answers[1], (packets[1].clone(), b"two".to_vec()));
        assert_ok(&lane.acknowledge(&answers));
        assert_eq!(counters(&lane), [0, 2, 0, 2]);
        for packet in &packets {
            let key = commitment_key(&lane.source_client, packet.sequence);
            assert_eq!(ibc(&lane.source, &key), None, "a settled packet has no commitment");
        }
        lane.source.state.stores().check_invariants();
    }
}

#[test]
fn single_ics23_proofs_do_what_a_multiproof_does() {
    let mut lane = TestLane::new(1, 1);
    let deadline = later(&lane);
    let packets = lane.send(&[b"one", b"two"], deadline);
    let mut receive = lane.receive_call(&packets);
    let keys: Vec<_> = packets.iter().map(|one| commitment_key(&one.source_client, one.sequence)).collect();
    receive.proof = lane.source.merkle_proofs(receive.proof_height, &keys);
    let mut fewer = receive.clone();
    let Proof::Single(single) = &mut fewer.proof else { panic!("single proofs") };
    single.proofs.pop();
    assert_eq!(reason(&lane.receive_beside(&[PacketCall::Receive(fewer)])), "INVALID_PROOF");
    let mut swapped = receive.clone();
    swapped.packets.swap(0, 1);
    assert_eq!(reason(&lane.receive_beside(&[PacketCall::Receive(swapped)])), "INVALID_PROOF");
    receive.update.as_mut().unwrap().trusted_height = Height(1);
    assert_ok(&lane.receive_beside(&[PacketCall::Receive(receive)]));
    assert_eq!(counters(&lane)[3], 2);
}

#[test]
fn one_bad_packet_of_a_hundred_costs_one_packet() {
    for bad in [&b"fail"[..], b"panic", b"empty", b"error"] {
        let mut lane = TestLane::new(1, 1);
        let deadline = later(&lane);
        let mut values = vec![&b"good"[..]; 100];
        values[41] = bad;
        let packets = lane.send(&values, deadline);
        let received = lane.receive(&packets);
        assert_eq!(TestLane::outcomes(&received, &packets), [DONE; 100]);
        assert!(received.events.iter().filter(|event| event.kind == "echo_received").count() == 99);
        let answers = TestLane::answers(&received);
        let errors = answers.iter().filter(|(_, answer)| *answer == ERROR_ACKNOWLEDGEMENT).count();
        assert_eq!((errors, counters(&lane)[3]), (1, 99), "{}", String::from_utf8_lossy(bad));
        assert_ok(&lane.acknowledge(&answers));
        assert_eq!(counters(&lane), [0, 99, 1, 99]);
    }
}

#[test]
fn a_packet_for_a_port_without_app_is_answered_with_the_error() {
    let mut lane = TestLane::new(1, 1);
    let mut call = lane.send_call(b"one", later(&lane));
    let EchoCall::Send(mut send) = Message::decode(&call.message).unwrap();
    send.dest_port = "nobody".into();
    call.message = EchoCall::Send(send).encode();
    let sent = lane.source.transact(Actor::User, vec![call]);
    lane.source.seal();
    let packet = Packet::decode(sent.events[0].attribute("packet").unwrap()).unwrap();
    let received = lane.receive(&[packet]);
    assert_eq!(TestLane::answers(&received)[0].1, ERROR_ACKNOWLEDGEMENT);
}

#[test]
fn a_callback_that_fails_on_settling_keeps_the_refund_for_governance() {
    for (value, times_out) in [(&b"late-fail"[..], false), (b"late-panic", false), (b"late-panic", true)] {
        let mut lane = TestLane::new(1, 1);
        let deadline = UnixSeconds(lane.next_time().seconds().0 + 60);
        let mut values = vec![&b"good"[..]; 100];
        values[7] = value;
        let packets = lane.send(&values, deadline);
        let (receipt, answer) = if times_out {
            lane.target.block(deadline.start(), Vec::new());
            (lane.timeout(&packets), Vec::new())
        } else {
            let answers = TestLane::answers(&lane.receive(&packets));
            (lane.acknowledge(&answers), value.to_vec())
        };
        assert_ok(&receipt);
        assert_eq!(TestLane::outcomes(&receipt, &packets), [DONE; 100], "every packet is settled");
        let [escrow, delivered, refunded, _] = counters(&lane);
        assert_eq!((escrow, delivered + refunded), (1, 99), "one unit stays in escrow");
        assert_eq!(ibc(&lane.source, &commitment_key(&lane.source_client, packets[7].sequence)), None);
        assert!(lane.source.state.held(&lane.source_client, packets[7].sequence).is_some());

        let retry = PacketCall::RetryHeld(RetryHeld { packet: packets[7].clone(), acknowledgement: answer });
        assert_eq!(reason(&lane.source.call(Actor::Relayer, &retry)), "NOT_AUTHORISED");
        assert!(!lane.source.call(Actor::Committee, &retry).succeeded(), "the callback still fails");
        let mend = GovernanceCall::Mend(Mend {}).encode();
        let mend = Call { instance: "governance".parse().unwrap(), message: mend };
        assert_ok(&lane.source.transact(Actor::User, vec![mend]));
        let other = RetryHeld { packet: packets[8].clone(), acknowledgement: Vec::new() };
        assert_eq!(reason(&lane.source.call(Actor::Committee, &PacketCall::RetryHeld(other))), "NOT_FOUND");
        assert_ok(&lane.source.call(Actor::Committee, &retry));
        assert_eq!(counters(&lane)[0], 0);
        assert_eq!(reason(&lane.source.call(Actor::Committee, &retry)), "NOT_FOUND", "once");
    }
}

#[test]
fn an_answer_must_be_the_one_that_the_target_gave() {
    let mut lane = TestLane::new(1, 1);
    let deadline = later(&lane);
    let packets = lane.send(&[b"fail", b"good"], deadline);
    let answers = TestLane::answers(&lane.receive(&packets));
    for (index, lie) in [(0, b"good".to_vec()), (1, ERROR_ACKNOWLEDGEMENT.to_vec())] {
        let lied = [(answers[index].0.clone(), lie)];
        assert_eq!(reason(&lane.acknowledge(&lied)), "INVALID_PROOF");
    }
    let mut altered = answers[0].clone();
    altered.0.payloads[0].value = b"good".to_vec();
    let receipt = lane.acknowledge(&[altered.clone(), answers[1].clone()]);
    assert_eq!(TestLane::outcomes(&receipt, &[altered.0, answers[1].0.clone()]), ["refused", DONE]);
    assert_eq!(counters(&lane), [1, 1, 0, 1]);
}

#[test]
fn packets_of_another_lane_or_type_are_refused() {
    let mut lane = TestLane::new(1, 1);
    let deadline = later(&lane);
    let packets = lane.send(&[b"one", b"two"], deadline);
    let mut call = lane.receive_call(&packets);
    call.client = ClientId::bft(0);
    assert_eq!(reason(&lane.receive_beside(&[PacketCall::Receive(call)])), "NOT_FOUND", "no such lane");

    // The same bytes under another destination: the commitment binds it.
    let mut call = lane.receive_call(&packets);
    call.packets[0].dest_client = ClientId::bft(0);
    assert_eq!(reason(&lane.receive_beside(&[PacketCall::Receive(call)])), "INVALID_PROOF");
    // Another source client: the key binds it.
    let mut call = lane.receive_call(&packets);
    call.packets[0].source_client = ClientId::bft(9);
    assert_eq!(reason(&lane.receive_beside(&[PacketCall::Receive(call)])), "INVALID_PROOF");
    // An absence proof of receipts is no proof of commitments, and back.
    let mut call = lane.receive_call(&packets);
    call.proof = lane.source.multiproof(
        call.proof_height,
        &[receipt_key(&lane.target_client, Sequence(1)), receipt_key(&lane.target_client, Sequence(2))],
    );
    assert_eq!(reason(&lane.receive_beside(&[PacketCall::Receive(call)])), "INVALID_PROOF");
    // One of two packets cannot be two things.
    let mut call = lane.receive_call(&packets[..1]);
    call.packets = vec![packets[0].clone(), packets[0].clone()];
    call.packets[0].payloads[0].value = b"more".to_vec();
    assert_eq!(reason(&lane.receive_beside(&[PacketCall::Receive(call)])), "INVALID_PROOF");
    // A proof of fewer keys than packets.
    let mut call = lane.receive_call(&packets);
    let key = commitment_key(&lane.source_client, Sequence(1));
    call.proof = lane.source.multiproof(call.proof_height, &[key]);
    assert_eq!(reason(&lane.receive_beside(&[PacketCall::Receive(call)])), "INVALID_PROOF");
    assert_eq!(counters(&lane)[3], 0);
    assert_ok(&lane.receive(&packets));
}

#[test]
fn a_proven_packet_of_another_lane_costs_only_itself() {
    // The target's first client follows the source too; its lane is with another client of the source.
    let mut lane = TestLane::new(1, 1);
    let create = PacketCall::CreateClient(lane.target.client_at(Height(1)));
    assert_ok(&lane.source.call(Actor::Operator, &create));
    for (chain, client, counterparty) in [
        (&mut lane.source, ClientId::bft(1), ClientId::bft(0)),
        (&mut lane.target, ClientId::bft(0), ClientId::bft(1)),
    ] {
        let register = RegisterCounterparty { client, counterparty };
        assert_ok(&chain.call(Actor::Operator, &PacketCall::RegisterCounterparty(register)));
    }
    let deadline = later(&lane);
    let first = lane.send(&[b"one"], deadline);
    lane.source_client = ClientId::bft(1);
    let second = lane.send(&[b"two"], deadline);
    let packets = [first[0].clone(), second[0].clone()];
    let receipt = lane.receive(&packets);
    assert_ok(&receipt);
    assert_eq!(counters(&lane)[3], 1, "{receipt:?}");
    let refused = receipt.events.iter().filter(|event| event.text("outcome") == Some("refused"));
    assert_eq!(refused.filter_map(|event| event.text("reason")).collect::<Vec<_>>(), ["INVALID_PACKET"]);
    assert!(ibc(&lane.target, &receipt_key(&ClientId::bft(0), Sequence(1))).is_none());
}

#[test]
fn proofs_and_headers_of_another_chain_are_refused() {
    let mut lane = TestLane::new(4, 1);
    let mut other = TestLane::between(TestChain::new("east-bank", 4), TestChain::new("south-bank", 1));
    let deadline = later(&lane);
    let (packets, same) = (lane.send(&[b"one"], deadline), other.send(&[b"one"], deadline));
    assert_eq!(packets, same, "two chains sent the same bytes");
    let mut call = lane.receive_call(&packets);
    call.proof = other.receive_call(&same).proof;
    assert_eq!(reason(&lane.receive_beside(&[PacketCall::Receive(call)])), "INVALID_PROOF");
    let call = other.receive_call(&same);
    assert_eq!(reason(&lane.receive_beside(&[PacketCall::Receive(call)])), "INVALID_HEADER");
    // The certificate of this chain under the header of the other, and back.
    let height = lane.source.height();
    let (ours, theirs) = (lane.source.at(height).signed.clone(), other.source.at(height).signed.clone());
    for (header, certificate) in [(&ours, &theirs), (&theirs, &ours)] {
        let mut mixed = header.clone();
        mixed.certificate = certificate.certificate.clone();
        let mut call = lane.receive_call(&packets);
        call.update.as_mut().unwrap().signed_header = mixed.encode();
        assert_eq!(reason(&lane.receive_beside(&[PacketCall::Receive(call)])), "INVALID_HEADER");
    }
    assert_eq!(counters(&lane)[3], 0);
}

#[test]
fn only_the_roles_may_and_counts_are_bounded() {
    let mut lane = TestLane::new(1, 1);
    let deadline = later(&lane);
    let packets = lane.send(&[b"one"], deadline);
    let call = lane.receive_call(&packets);
    for actor in [Actor::User, Actor::Operator, Actor::Committee] {
        let receipt = lane.target.call(actor, &PacketCall::Receive(call.clone()));
        assert_eq!(reason(&receipt), "NOT_AUTHORISED", "{actor:?}");
    }
    let client = lane.target_client.clone();
    let update = UpdateClient { client, update: lane.source.update(Height(1), lane.source.height()) };
    assert_eq!(reason(&lane.target.call(Actor::User, &PacketCall::UpdateClient(update))), "NOT_AUTHORISED");
    for count in [0, 501] {
        let mut call = call.clone();
        call.packets = vec![packets[0].clone(); count];
        assert_eq!(reason(&lane.receive_beside(&[PacketCall::Receive(call)])), "INVALID_ARGUMENT");
    }
    let create = PacketCall::CreateClient(lane.source.client_at(Height(1)));
    assert_eq!(reason(&lane.target.call(Actor::Relayer, &create)), "NOT_AUTHORISED");
    let register = |client| {
        let counterparty = ClientId::bft(5);
        PacketCall::RegisterCounterparty(RegisterCounterparty { client, counterparty })
    };
    assert_eq!(
        reason(&lane.target.call(Actor::OtherOperator, &register(ClientId::bft(0)))),
        "NOT_AUTHORISED"
    );
    assert_eq!(reason(&lane.target.call(Actor::Operator, &register(ClientId::bft(1)))), "ALREADY_EXISTS");
    assert_eq!(reason(&lane.target.call(Actor::Operator, &register(ClientId::bft(7)))), "NOT_FOUND");
}

#[test]
fn a_paused_lane_stops_sends_and_receives_and_nothing_else() {
    let mut lane = TestLane::new(1, 1);
    let deadline = UnixSeconds(lane.next_time().seconds().0 + 60);
    let packets = lane.send(&[b"one", b"two"], deadline);
    let received = lane.receive(&packets[..1]);
    let set = |client: &ClientId, paused| PacketCall::SetLane(SetLane { client: client.clone(), paused });
    let (source_client, target_client) = (lane.source_client.clone(), lane.target_client.clone());
    assert_eq!(reason(&lane.source.call(Actor::Operator, &set(&source_client, true))), "NOT_AUTHORISED");
    assert_ok(&lane.source.call(Actor::Committee, &set(&source_client, true)));
    assert_ok(&lane.target.call(Actor::Committee, &set(&target_client, true)));
    let call = lane.send_call(b"three", deadline);
    assert_eq!(reason(&lane.source.transact(Actor::User, vec![call])), "LIMIT_EXCEEDED");
    let receipt = lane.receive(&packets[1..]);
    assert_eq!(TestLane::outcomes(&receipt, &packets[1..]), ["refused"]);
    assert_ok(&lane.acknowledge(&TestLane::answers(&received)));
    lane.target.block(deadline.start(), Vec::new());
    assert_ok(&lane.timeout(&packets[1..]));
    assert_eq!(counters(&lane), [0, 1, 1, 1]);
    assert_ok(&lane.source.call(Actor::Committee, &set(&source_client, false)));
    let call = lane.send_call(b"four", UnixSeconds(lane.next_time().seconds().0 + 60));
    assert_ok(&lane.source.transact(Actor::User, vec![call]));
}

#[test]
fn values_under_the_keys_are_those_of_ibc_v2() {
    let mut lane = TestLane::new(1, 1);
    let deadline = later(&lane);
    let packets = lane.send(&[b"one"], deadline);
    let commitment = ibc(&lane.source, &commitment_key(&lane.source_client, Sequence(1))).unwrap();
    assert_eq!(commitment, packet_commitment(&packets[0]).0);
    assert_ok(&lane.receive(&packets));
    assert_eq!(ibc(&lane.target, &receipt_key(&lane.target_client, Sequence(1))), Some(vec![2]));
    let acknowledgement = ibc(&lane.target, &acknowledgement_key(&lane.target_client, Sequence(1)));
    let expected = acknowledgement_commitment(b"one").0.to_vec();
    assert_eq!(acknowledgement, Some(expected));
}

#[test]
fn weight_is_charged_from_the_number_of_packets_before_the_call_runs() {
    let parameters = Parameters { block_weight_max: 8_000, ..Parameters::for_group_of(1) };
    let target = TestChain::with_parameters("south-bank", vec![validator("south-bank", 0, 10)], parameters);
    let mut lane = TestLane::between(TestChain::new("north-bank", 1), target);
    let deadline = later(&lane);
    let packets = lane.send(&[&b"good"[..]; 100], deadline);
    assert_eq!(reason(&lane.receive(&packets)), "OUT_OF_WEIGHT");
    assert_eq!(counters(&lane)[3], 0);
    assert_ok(&lane.receive(&packets[..20]));
}
