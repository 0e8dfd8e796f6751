//! The law of packets on real chains: deadlines, receipts, settling, batches. The tests named `mutant_…` are those that
//! the mutants of the protocol must fail.

use catenary_ledger::stores::IBC;
use catenary_packet::{
    ClientId, Packet, PacketCall, ReadClients, Sequence,
    commitment::{ERROR_ACKNOWLEDGEMENT, acknowledgement_key, commitment_key, receipt_key},
    is_redundant,
    messages::{RetryHeld, SetLane},
    testing::{Actor, DONE, GovernanceCall, Mend, TestChain, TestLane, counter, packet_call},
};
use catenary_state::SENTINEL_KEY;
use catenary_types::{Call, Message, Receipt, Timestamp, UnixSeconds};

/// Far enough for every test that is not about deadlines.
fn later(lane: &TestLane) -> UnixSeconds {
    UnixSeconds(lane.next_time().seconds().0 + 600)
}

fn reason(receipt: &Receipt) -> &str {
    &receipt.reason
}

fn ibc(chain: &TestChain, key: &[u8]) -> Option<Vec<u8>> {
    chain.state.stores().get(IBC, key).unwrap().map(<[u8]>::to_vec)
}

/// Escrow, delivered, refunded on the source; received on the target.
fn counters(lane: &TestLane) -> [u128; 4] {
    let source = |name| counter(&lane.source.state, name);
    [source("escrow"), source("delivered"), source("refunded"), counter(&lane.target.state, "received")]
}

fn assert_ok(receipt: &Receipt) {
    assert!(receipt.succeeded(), "{receipt:?}");
}

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
    let mut swapped = receive.clone();
    swapped.packets.swap(0, 1);
    assert_eq!(reason(&lane.receive_beside(&[PacketCall::Receive(swapped)])), "INVALID_PROOF");
    receive.update.as_mut().unwrap().trusted_height = catenary_types::Height(1);
    assert_ok(&lane.receive_beside(&[PacketCall::Receive(receive)]));
    assert_eq!(counters(&lane)[3], 2);
}

#[test]
fn mutant_receive_at_the_deadline_and_its_last_nanosecond() {
    let mut lane = TestLane::new(1, 1);
    let deadline = later(&lane);
    let packets = lane.send(&[b"early", b"late"], deadline);
    let last = Timestamp(deadline.start().0 - 1);
    let call = PacketCall::Receive(lane.receive_call(&packets[..1]));
    let receipt = lane.target.transact_at(last, Actor::Relayer, vec![packet_call(&call)]);
    assert_eq!(TestLane::outcomes(&receipt, &packets[..1]), [DONE]);
    let call = PacketCall::Receive(lane.receive_call(&packets[1..]));
    let receipt = lane.target.transact_at(deadline.start(), Actor::Relayer, vec![packet_call(&call)]);
    assert_ok(&receipt);
    assert_eq!(TestLane::outcomes(&receipt, &packets[1..]), ["expired"]);
    assert_eq!(counters(&lane)[3], 1);
}

#[test]
fn mutant_no_deadline_on_receive_and_an_expired_receive_leaves_no_key() {
    let mut lane = TestLane::new(1, 1);
    let deadline = UnixSeconds(lane.next_time().seconds().0 + 20);
    let packets = lane.send(&[b"one"], deadline);
    let call = PacketCall::Receive(lane.receive_call(&packets));
    let before: Vec<_> =
        lane.target.state.stores().scan(IBC, b"").unwrap().map(|(key, _)| key.to_vec()).collect();
    let time = Timestamp(deadline.start().0 + 3_600_000_000_000);
    let receipt = lane.target.transact_at(time, Actor::Relayer, vec![packet_call(&call)]);
    assert_eq!(TestLane::outcomes(&receipt, &packets), ["expired"]);
    let after: Vec<_> =
        lane.target.state.stores().scan(IBC, b"").unwrap().map(|(key, _)| key.to_vec()).collect();
    assert_eq!(before, after);
    assert_eq!(counters(&lane)[3], 0);
}

#[test]
fn mutant_no_receipt_check() {
    let mut lane = TestLane::new(1, 1);
    let deadline = later(&lane);
    let packets = lane.send(&[b"one", b"two"], deadline);
    assert_ok(&lane.receive(&packets[..1]));
    assert!(is_redundant(&lane.target.state, &PacketCall::Receive(lane.receive_call(&packets[..1]))));
    assert_eq!(reason(&lane.receive(&packets[..1])), "REDUNDANT");
    let both = PacketCall::Receive(lane.receive_call(&packets));
    assert!(!is_redundant(&lane.target.state, &both));
    let twice = [packets[0].clone(), packets[1].clone(), packets[1].clone()];
    let receipt = lane.receive(&twice);
    let kinds: Vec<_> = receipt.events.iter().filter_map(|event| event.text("outcome")).collect();
    assert_eq!(kinds, ["duplicate", "ok", "duplicate"]);
    assert_eq!(counters(&lane)[3], 2);
}

#[test]
fn mutant_refund_on_a_local_timer() {
    let mut lane = TestLane::new(1, 1);
    let deadline = UnixSeconds(lane.next_time().seconds().0 + 20);
    let packets = lane.send(&[b"one"], deadline);
    lane.target.seal();
    let call = PacketCall::Timeout(lane.timeout_call(&packets));
    // The source's own clock is far past the deadline, the target's last header is not.
    let time = Timestamp(deadline.start().0 + 3_600_000_000_000);
    let receipt = lane.source.transact_at(time, Actor::Relayer, vec![packet_call(&call)]);
    assert_eq!(TestLane::outcomes(&receipt, &packets), ["refused"]);
    assert_eq!(counters(&lane), [1, 0, 0, 0]);
    assert!(ibc(&lane.source, &commitment_key(&lane.source_client, Sequence(1))).is_some());
}

#[test]
fn mutant_timeout_before_the_deadline_by_a_nanosecond_and_at_it() {
    let mut lane = TestLane::new(1, 1);
    let deadline = UnixSeconds(lane.next_time().seconds().0 + 20);
    let packets = lane.send(&[b"one"], deadline);
    lane.target.block(Timestamp(deadline.start().0 - 1), Vec::new());
    let receipt = lane.timeout(&packets);
    assert_eq!(TestLane::outcomes(&receipt, &packets), ["refused"]);
    assert_eq!(counters(&lane), [1, 0, 0, 0]);
    lane.target.block(deadline.start(), Vec::new());
    let receipt = lane.timeout(&packets);
    assert_ok(&receipt);
    assert_eq!(TestLane::outcomes(&receipt, &packets), [DONE]);
    assert_eq!(counters(&lane), [0, 0, 1, 0]);
}

#[test]
fn mutant_reading_a_block_that_is_not_final() {
    let mut lane = TestLane::new(4, 1);
    let deadline = later(&lane);
    let packets = lane.send(&[b"one"], deadline);
    let (newest, known) = (lane.source.height(), catenary_types::Height(1));
    let block = lane.source.at(newest);
    // Two of four signed: a proposal with votes, no certificate.
    let open = lane.source.certify(block.signed.header.clone(), &block.validators, 0, &[0, 1]);
    let mut call = lane.receive_call(&packets);
    call.update = Some(lane.source.update_with(known, &open));
    assert_eq!(reason(&lane.receive_beside(&[PacketCall::Receive(call.clone())])), "INVALID_HEADER");
    // The state after the block that sends, under the header of that block: not covered by it.
    call.proof_height = catenary_types::Height(newest.0 - 1);
    call.update = Some(lane.source.update(known, call.proof_height));
    assert_eq!(reason(&lane.receive_beside(&[PacketCall::Receive(call)])), "INVALID_PROOF");
    assert_eq!(counters(&lane)[3], 0);
}

#[test]
fn mutant_error_acknowledgement_applied_twice() {
    let mut lane = TestLane::new(1, 1);
    let deadline = later(&lane);
    let packets = lane.send(&[b"fail", b"good", b"good"], deadline);
    let answers = TestLane::answers(&lane.receive(&packets));
    assert_eq!(answers[0].1, ERROR_ACKNOWLEDGEMENT);
    assert_ok(&lane.acknowledge(&answers[..1]));
    assert_eq!(counters(&lane), [2, 0, 1, 2]);
    assert_eq!(reason(&lane.acknowledge(&answers[..1])), "REDUNDANT");
    let receipt = lane.acknowledge(&[answers[0].clone(), answers[1].clone(), answers[1].clone()]);
    let kinds: Vec<_> = receipt.events.iter().filter_map(|event| event.text("outcome")).collect();
    assert_eq!(kinds, ["duplicate", "ok", "duplicate"]);
    assert_eq!(counters(&lane), [1, 1, 1, 2]);
    assert_eq!(reason(&lane.timeout(&packets[2..])), "INVALID_PROOF", "a received packet cannot time out");
}

#[test]
fn a_packet_is_settled_once_by_timeout_or_acknowledgement() {
    let mut lane = TestLane::new(1, 1);
    let deadline = UnixSeconds(lane.next_time().seconds().0 + 20);
    let packets = lane.send(&[b"one"], deadline);
    let early = PacketCall::Receive(lane.receive_call(&packets));
    lane.target.block(deadline.start(), Vec::new());
    assert_ok(&lane.timeout(&packets));
    assert_eq!(reason(&lane.timeout(&packets)), "REDUNDANT");
    assert_eq!(reason(&lane.receive(&packets)), "INVALID_PROOF", "the commitment is gone");
    let late = lane.target.transact_at(lane.next_time(), Actor::Relayer, vec![packet_call(&early)]);
    assert_eq!(TestLane::outcomes(&late, &packets), ["expired"], "under a header that still shows it");
    assert_eq!(counters(&lane), [0, 0, 1, 0]);
}

#[test]
fn the_first_timeout_on_a_fresh_lane_is_proven_by_the_sentinel_alone() {
    let mut lane = TestLane::new(4, 4);
    let deadline = UnixSeconds(lane.next_time().seconds().0 + 20);
    let packets = lane.send(&[b"one"], deadline);
    lane.target.block(deadline.start(), Vec::new());
    assert_eq!(lane.target.state.stores().scan(IBC, b"").unwrap().count(), 0);
    let key = receipt_key(&lane.target_client, Sequence(1));
    let proofs = lane.target.state.stores().prove(lane.target.height().0 - 1, IBC, &key).unwrap();
    let Some(ics23::commitment_proof::Proof::Nonexist(absent)) = &proofs[0].proof else { panic!("absence") };
    let neighbours: Vec<_> =
        [&absent.left, &absent.right].into_iter().flatten().map(|one| one.key.as_slice()).collect();
    assert_eq!(neighbours, [SENTINEL_KEY]);
    assert_ok(&lane.timeout(&packets));
    assert_eq!(counters(&lane), [0, 0, 1, 0]);
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
    let catenary_packet::testing::EchoCall::Send(mut send) = Message::decode(&call.message).unwrap();
    send.dest_port = "nobody".into();
    call.message = catenary_packet::testing::EchoCall::Send(send).encode();
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
    let create = PacketCall::CreateClient(TestLane::create(&lane.target));
    assert_ok(&lane.source.call(Actor::Operator, &create));
    for (chain, client, counterparty) in [
        (&mut lane.source, ClientId::bft(1), ClientId::bft(0)),
        (&mut lane.target, ClientId::bft(0), ClientId::bft(1)),
    ] {
        let register = catenary_packet::messages::RegisterCounterparty { client, counterparty };
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
    for count in [0, 501] {
        let mut call = call.clone();
        call.packets = vec![packets[0].clone(); count];
        assert_eq!(reason(&lane.receive_beside(&[PacketCall::Receive(call)])), "INVALID_ARGUMENT");
    }
    let create = PacketCall::CreateClient(TestLane::create(&lane.source));
    assert_eq!(reason(&lane.target.call(Actor::Relayer, &create)), "NOT_AUTHORISED");
    let register = |client| {
        let counterparty = ClientId::bft(5);
        PacketCall::RegisterCounterparty(catenary_packet::messages::RegisterCounterparty {
            client,
            counterparty,
        })
    };
    assert_eq!(
        reason(&lane.target.call(Actor::OtherOperator, &register(ClientId::bft(0)))),
        "NOT_AUTHORISED"
    );
    assert_eq!(reason(&lane.target.call(Actor::Operator, &register(ClientId::bft(1)))), "ALREADY_EXISTS");
    assert_eq!(reason(&lane.target.call(Actor::Operator, &register(ClientId::bft(7)))), "NOT_FOUND");
}

#[test]
fn a_send_needs_a_deadline_within_reach() {
    let mut lane = TestLane::new(1, 1);
    let now = lane.next_time();
    let mut send = |timeout: u64| {
        let call = lane.send_call(b"one", UnixSeconds(timeout));
        lane.source.transact_at(lane.next_time(), Actor::User, vec![call])
    };
    let now = now.seconds().0;
    assert_eq!(reason(&send(now)), "INVALID_TIMEOUT", "at the time of the block");
    assert_ok(&send(now + 2));
    assert_ok(&send(now + 2 + 24 * 3600));
    assert_eq!(reason(&send(now + 3 + 24 * 3600 + 1)), "INVALID_TIMEOUT");
    // The target is known to be further than the deadline: the packet could never arrive.
    let ahead = Timestamp(lane.source.time().0 + 5_000_000_000);
    lane.target.block(ahead, Vec::new());
    let update = lane.target.update(catenary_types::Height(1), lane.target.height());
    let update = catenary_packet::messages::UpdateClient { client: lane.source_client.clone(), update };
    assert_ok(&lane.source.call(Actor::Relayer, &PacketCall::UpdateClient(update)));
    for (timeout, accepted) in [(ahead.seconds().0, false), (ahead.seconds().0 + 1, true)] {
        let call = lane.send_call(b"one", UnixSeconds(timeout));
        let time = Timestamp(lane.source.time().0 + 1);
        assert_eq!(lane.source.transact_at(time, Actor::User, vec![call]).succeeded(), accepted);
    }
    let failed = lane.source.state.next_sequence(&lane.source_client);
    assert_eq!(failed, Sequence(4), "a refused send uses up no sequence");
    assert_eq!(counters(&lane)[0], 3, "and moves nothing");
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
    assert_eq!(commitment, catenary_packet::commitment::packet_commitment(&packets[0]).0);
    assert_ok(&lane.receive(&packets));
    assert_eq!(ibc(&lane.target, &receipt_key(&lane.target_client, Sequence(1))), Some(vec![2]));
    let acknowledgement = ibc(&lane.target, &acknowledgement_key(&lane.target_client, Sequence(1)));
    let expected = catenary_packet::commitment::acknowledgement_commitment(b"one").0.to_vec();
    assert_eq!(acknowledgement, Some(expected));
}
