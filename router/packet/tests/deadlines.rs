//! Deadlines, and that a packet has one effect and one end, on real chains. The tests named `mutant_…` are those that
//! the mutants of the protocol must fail.

mod common;

use catenary_ledger::stores::IBC;
use catenary_packet::{
    PacketCall, ReadClients, Sequence,
    commitment::{ERROR_ACKNOWLEDGEMENT, commitment_key, receipt_key},
    is_redundant,
    messages::UpdateClient,
    testing::{Actor, DONE, TestLane, packet_call},
};
use catenary_state::SENTINEL_KEY;
use catenary_types::{Height, Timestamp, UnixSeconds};
use common::lane::{assert_ok, counters, ibc, later, reason};

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
    let (newest, known) = (lane.source.height(), Height(1));
    let block = lane.source.at(newest);
    // Two of four signed: a proposal with votes, no certificate.
    let open = lane.source.certify(block.signed.header.clone(), &block.validators, 0, &[0, 1]);
    let mut call = lane.receive_call(&packets);
    call.update = Some(lane.source.update_with(known, &open));
    assert_eq!(reason(&lane.receive_beside(&[PacketCall::Receive(call.clone())])), "INVALID_HEADER");
    // The state after the block that sends, under the header of that block: not covered by it.
    call.proof_height = Height(newest.0 - 1);
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
    let update = lane.target.update(Height(1), lane.target.height());
    let update = UpdateClient { client: lane.source_client.clone(), update };
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
