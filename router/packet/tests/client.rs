//! The light client on real chains: following, freezing, expiring, recovering.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use catenary_crypto::Hash;
use catenary_packet::{
    ClientId, PacketCall, ReadClients,
    messages::{Fraction, HeaderUpdate, RecoverClient, SubmitMisbehaviour, UpdateClient},
    records::{ClientState, Standing},
    testing::{
        Actor, DONE, GovernanceCall, SetParameters, SetValidators, TestChain, TestLane, counter, packet_call,
        validator,
    },
};
use catenary_types::{Call, Height, Message, Parameters, Receipt, Timestamp, UnixSeconds, Validator};
use common::lane::{assert_ok, reason};

fn state(lane: &TestLane) -> ClientState {
    lane.target.state.client(&lane.target_client).unwrap()
}

/// Shows the target a header of the source.
fn show(lane: &mut TestLane, update: HeaderUpdate) -> Receipt {
    let call = PacketCall::UpdateClient(UpdateClient { client: lane.target_client.clone(), update });
    let time = lane.next_time();
    lane.target.transact_at(time, Actor::Relayer, vec![packet_call(&call)])
}

fn set_validators(chain: &mut TestChain, validators: Vec<Validator>) {
    let message = GovernanceCall::SetValidators(SetValidators { validators }).encode();
    let call = Call { instance: "governance".parse().unwrap(), message };
    assert_ok(&chain.transact(Actor::User, vec![call]));
}

fn members(name: &str, indices: impl IntoIterator<Item = usize>) -> Vec<Validator> {
    indices.into_iter().map(|index| validator(name, index, 10)).collect()
}

#[test]
fn a_client_follows_a_change_from_four_to_five_validators_step_by_step_and_skipping() {
    for steps in [true, false] {
        let mut lane = TestLane::new(4, 1);
        let before = lane.source.height();
        set_validators(&mut lane.source, members("north-bank", [0, 1, 2, 4, 5]));
        (0..4).for_each(|_| lane.source.seal());
        let last = lane.source.height();
        let changed = lane.source.at(Height(before.0 + 3));
        assert_eq!(
            (changed.validators.validators().len(), lane.source.at(before).validators.validators().len()),
            (5, 4)
        );
        let heights = if steps { (before.0..=last.0).map(Height).collect() } else { vec![last] };
        for height in heights {
            let trusted = state(&lane).latest_height;
            let update = lane.source.update(trusted, height);
            assert_ok(&show(&mut lane, update));
        }
        assert_eq!(state(&lane).latest_height, last);
        let deadline = UnixSeconds(lane.next_time().seconds().0 + 60);
        let packets = lane.send(&[b"one"], deadline);
        assert_eq!(TestLane::outcomes(&lane.receive(&packets), &packets), [DONE]);
    }
}

#[test]
fn a_header_of_strangers_needs_a_third_of_the_trusted_power() {
    let mut lane = TestLane::new(4, 1);
    set_validators(&mut lane.source, members("north-bank", [0, 4, 5, 6]));
    (0..3).for_each(|_| lane.source.seal());
    let update = lane.source.update(Height(1), lane.source.height());
    let receipt = show(&mut lane, update);
    assert_eq!(reason(&receipt), "INVALID_HEADER", "one of four is less than a third: {receipt:?}");
    // By way of the last header of the old set, which announces the new one.
    let change = (1..=lane.source.height().0)
        .map(Height)
        .find(|height| lane.source.at(*height).next_validators != lane.source.at(*height).validators);
    let change = change.unwrap();
    for (trusted, height) in
        [(Height(1), change), (change, change.next()), (change.next(), lane.source.height())]
    {
        let update = lane.source.update(trusted, height);
        assert_ok(&show(&mut lane, update));
    }
}

#[test]
fn a_conflicting_header_in_receive_freezes_the_client_and_refuses_every_packet() {
    let changes: [fn(&mut catenary_types::Header); 4] = [
        |header| header.app_hash = Hash([7; 32]),
        |header| header.data_hash = Hash([7; 32]),
        |header| header.last_results_hash = Hash([7; 32]),
        |header| header.time = Timestamp(header.time.0 + 1),
    ];
    for change in changes {
        let mut lane = TestLane::new(4, 1);
        let deadline = UnixSeconds(lane.next_time().seconds().0 + 60);
        let packets = lane.send(&[b"one", b"two"], deadline);
        let height = lane.source.height();
        let update = lane.source.update(Height(1), height);
        assert_ok(&show(&mut lane, update));
        let forged = lane.source.forge(height, change);
        let mut call = lane.receive_call(&packets);
        call.update = Some(lane.source.update_with(Height(1), &forged));
        let call = PacketCall::Receive(call);

        // Beside another call the contradiction could be undone: the whole transaction fails.
        let receipt = lane.receive_beside(&[call.clone(), call.clone()]);
        assert_eq!((reason(&receipt), state(&lane).standing), ("INVALID_HEADER", Standing::Sound));

        let receipt = lane.receive_beside(&[call]);
        assert_ok(&receipt);
        assert_eq!(TestLane::outcomes(&receipt, &packets), ["refused", "refused"]);
        let reasons: Vec<_> = receipt.events.iter().filter_map(|event| event.text("reason")).collect();
        assert!(reasons.contains(&"CLIENT_FROZEN"), "{reasons:?}");
        assert!(receipt.events.iter().any(|event| event.kind == "client_frozen"));
        assert_eq!(state(&lane).standing, Standing::Frozen);
        assert_eq!(reason(&lane.receive(&packets)), "CLIENT_FROZEN");
        assert_eq!(counter(&lane.target.state, "received"), 0);
    }
}

#[test]
fn a_header_out_of_time_between_its_neighbours_freezes_the_client() {
    // Known: 1, 4 and the last. Equal to the time of a neighbour is enough, above, below and beyond the last.
    for (height, neighbour) in [(6, 8), (6, 4), (9, 8)] {
        let mut lane = TestLane::new(4, 1);
        (0..6).for_each(|_| lane.source.seal());
        for known in [4, 8] {
            let update = lane.source.update(Height(1), Height(known));
            assert_ok(&show(&mut lane, update));
        }
        let wrong = lane.source.at(Height(neighbour)).signed.header.time;
        let forged = lane.source.forge(Height(height), |header| header.time = wrong);
        let update = lane.source.update_with(Height(1), &forged);
        assert_ok(&show(&mut lane, update));
        assert_eq!(state(&lane).standing, Standing::Frozen, "{height} at the time of {neighbour}");
    }
}

#[test]
fn two_heights_of_one_time_are_misbehaviour() {
    let mut lane = TestLane::new(4, 1);
    (0..6).for_each(|_| lane.source.seal());
    let time = lane.source.at(Height(5)).signed.header.time;
    let forged = lane.source.forge(Height(6), |header| header.time = time);
    let first = lane.source.update_with(Height(1), &forged);
    let second = lane.source.update(Height(1), Height(5));
    let client = lane.target_client.clone();
    let evidence = PacketCall::SubmitMisbehaviour(SubmitMisbehaviour { client, first, second });
    assert_ok(&lane.target.call(Actor::Relayer, &evidence));
    assert_eq!(state(&lane).standing, Standing::Frozen);
}

#[test]
fn honest_headers_in_any_order_and_two_certificates_of_one_header_freeze_nothing() {
    let mut lane = TestLane::new(4, 1);
    (0..8).for_each(|_| lane.source.seal());
    for height in [9, 4, 6, 2, 8, 3] {
        let update = lane.source.update(Height(1), Height(height));
        assert_ok(&show(&mut lane, update));
    }
    let block = lane.source.at(Height(6));
    let again = lane.source.certify(block.signed.header.clone(), &block.validators, 3, &[1]);
    assert_ne!(again.certificate, block.signed.certificate);
    let (first, second) =
        (lane.source.update_with(Height(1), &again), lane.source.update(Height(1), Height(6)));
    assert_eq!(reason(&show(&mut lane, first.clone())), "REDUNDANT");
    let client = lane.target_client.clone();
    let evidence = PacketCall::SubmitMisbehaviour(SubmitMisbehaviour { client, first, second });
    assert_eq!(reason(&lane.target.call(Actor::Relayer, &evidence)), "INVALID_ARGUMENT");
    assert_eq!(state(&lane).standing, Standing::Sound);
    // The list of kept heights has each once, in order.
    let (client, mut at, mut kept) = (state(&lane), state(&lane).oldest_height, Vec::new());
    while at != Height(0) {
        kept.push(at.0);
        at = lane.target.state.consensus(&lane.target_client, &client, at).unwrap().next;
    }
    assert_eq!(kept, [1, 2, 3, 4, 6, 8, 9]);
    let newest = lane.source.at(Height(9)).signed.header.time;
    assert_eq!((client.latest_height, client.latest_time), (Height(9), newest));
}

#[test]
fn two_headers_that_the_client_never_saw_freeze_it_by_message() {
    let mut lane = TestLane::new(4, 1);
    (0..4).for_each(|_| lane.source.seal());
    let height = Height(3);
    let forged = lane.source.forge(height, |header| header.data_hash = Hash([7; 32]));
    let (first, second) =
        (lane.source.update_with(Height(1), &forged), lane.source.update(Height(1), height));
    let mut weak = forged;
    weak.certificate =
        lane.source.certify(weak.header.clone(), &lane.source.at(height).validators, 0, &[0, 1]).certificate;
    let client = lane.target_client.clone();
    let weak = lane.source.update_with(Height(1), &weak);
    let call = |first: &HeaderUpdate, second: &HeaderUpdate| {
        let (client, first, second) = (client.clone(), first.clone(), second.clone());
        PacketCall::SubmitMisbehaviour(SubmitMisbehaviour { client, first, second })
    };
    assert_eq!(reason(&lane.target.call(Actor::Relayer, &call(&weak, &second))), "INVALID_HEADER");
    let higher = lane.source.update(Height(1), Height(4));
    assert_eq!(reason(&lane.target.call(Actor::Relayer, &call(&second, &higher))), "INVALID_HEADER");
    let evidence = call(&first, &second);
    assert_eq!(reason(&lane.target.call(Actor::User, &evidence)), "NOT_AUTHORISED");
    assert_ok(&lane.target.call(Actor::Relayer, &evidence));
    assert_eq!(state(&lane).standing, Standing::Frozen);
    assert_eq!(reason(&lane.target.call(Actor::Relayer, &evidence)), "CLIENT_FROZEN");
}

#[test]
fn governance_recovers_a_frozen_client_and_its_packets_settle() {
    let mut lane = TestLane::new(1, 4);
    let deadline = UnixSeconds(lane.next_time().seconds().0 + 60);
    let packets = lane.send(&[b"one", b"two"], deadline);
    let answers = TestLane::answers(&lane.receive(&packets));
    let height = lane.target.height();
    let update = |signed| {
        let update = lane.target.update_with(Height(1), signed);
        UpdateClient { client: lane.source_client.clone(), update }
    };
    let honest = PacketCall::UpdateClient(update(&lane.target.at(height).signed));
    let forged = lane.target.forge(height, |header| header.app_hash = Hash([7; 32]));
    let forged = PacketCall::UpdateClient(update(&forged));
    // The forged header comes first and is believed; the honest one shows the contradiction.
    for call in [forged, honest] {
        let time = lane.next_time();
        assert_ok(&lane.source.transact_at(time, Actor::Relayer, vec![packet_call(&call)]));
    }
    let call = lane.send_call(b"three", deadline);
    assert_eq!(reason(&lane.source.transact(Actor::User, vec![call])), "CLIENT_FROZEN");
    let create = PacketCall::CreateClient(lane.target.client_at(Height(1)));
    assert_ok(&lane.source.call(Actor::Operator, &create));
    let recover = PacketCall::RecoverClient(RecoverClient {
        client: lane.source_client.clone(),
        substitute: ClientId::bft(1),
    });
    assert_eq!(reason(&lane.source.call(Actor::Operator, &recover)), "NOT_AUTHORISED");
    let itself = PacketCall::RecoverClient(RecoverClient {
        client: lane.source_client.clone(),
        substitute: lane.source_client.clone(),
    });
    assert_eq!(reason(&lane.source.call(Actor::Committee, &itself)), "CLIENT_FROZEN");
    assert_ok(&lane.source.call(Actor::Committee, &recover));
    assert_eq!(reason(&lane.source.call(Actor::Committee, &recover)), "INVALID_ARGUMENT", "it is active");
    let recovered = lane.source.state.client(&lane.source_client).unwrap();
    let forgotten = lane.source.state.consensus(&lane.source_client, &recovered, height);
    assert_eq!(forgotten, None, "what was believed before does not count");
    assert_ok(&lane.acknowledge(&answers));
    assert_eq!(counter(&lane.source.state, "delivered"), 2);
}

#[test]
fn a_recovered_client_goes_on_from_the_newest_header_of_its_substitute() {
    let mut lane = TestLane::new(4, 1);
    (0..8).for_each(|_| lane.source.seal());
    let (before, frozen) = (state(&lane), lane.target_client.clone());
    let forged = lane.source.forge(Height(2), |header| header.app_hash = Hash([7; 32]));
    for update in [lane.source.update(Height(1), Height(2)), lane.source.update_with(Height(1), &forged)] {
        assert_ok(&show(&mut lane, update));
    }
    let create = PacketCall::CreateClient(lane.source.client_at(Height(1)));
    assert_ok(&lane.target.call(Actor::OtherOperator, &create));
    lane.target_client = ClientId::bft(2);
    for height in [3, 6, 4] {
        let update = lane.source.update(Height(1), Height(height));
        assert_ok(&show(&mut lane, update));
    }
    let substitute = std::mem::replace(&mut lane.target_client, frozen.clone());
    let expected = ClientState {
        generation: 1,
        oldest_height: Height(6),
        creator: before.creator,
        ..lane.target.state.client(&substitute).unwrap()
    };
    let recover = PacketCall::RecoverClient(RecoverClient { client: frozen, substitute });
    assert_ok(&lane.target.call(Actor::Committee, &recover));
    assert_eq!(state(&lane), expected);
    let update = lane.source.update(Height(6), Height(8));
    assert_ok(&show(&mut lane, update));
    let kept = lane.target.state.consensus(&lane.target_client, &state(&lane), Height(6));
    assert_eq!(kept.unwrap().next, Height(8));
}

#[test]
fn a_header_between_others_names_a_trusted_height_near_its_place() {
    // The client keeps 2 to 259 beside the first; 258 comes late.
    let (late, last) = (Height(258), Height(260));
    let mut lane = TestLane::new(1, 1);
    (1..last.0).for_each(|_| lane.source.seal());
    for height in (2..last.0).map(Height).filter(|height| *height != late) {
        let update = lane.source.update(Height(1), height);
        assert_ok(&show(&mut lane, update));
    }
    for (trusted, accepted) in [(1, false), (2, true)] {
        let update = lane.source.update(Height(trusted), late);
        assert_eq!(show(&mut lane, update).succeeded(), accepted, "trusting {trusted}");
    }
    // Beyond the newest the place is known.
    let update = lane.source.update(Height(1), last);
    assert_ok(&show(&mut lane, update));
}

#[test]
fn a_client_expires_to_the_nanosecond_and_old_states_are_pruned() {
    let mut lane = TestLane::new(1, 1);
    let period = state(&lane).trusting_period_s;
    for _ in 0..6 {
        lane.source.seal();
        let update = lane.source.update(Height(1), lane.source.height());
        assert_ok(&show(&mut lane, update));
    }
    // Half a period later one header keeps the client alive; all but it expire.
    let half = Timestamp(lane.source.time().0 + period * 500_000_000);
    lane.source.block(half, Vec::new());
    lane.target.block(half, Vec::new());
    let newest = lane.source.height();
    let update = lane.source.update(Height(1), newest);
    assert_ok(&show(&mut lane, update));
    let end = Timestamp(half.0 + period * 1_000_000_000);
    let kept_but_old = lane.source.update(Height(1), newest);
    let call = UpdateClient { client: lane.target_client.clone(), update: kept_but_old };
    let call = packet_call(&PacketCall::UpdateClient(call));
    let receipt = lane.target.transact_at(Timestamp(end.0 - 4_000_000_000), Actor::Relayer, vec![call]);
    assert_eq!(reason(&receipt), "INVALID_HEADER", "an expired state is not trusted, pruned or not");
    let mut oldest = state(&lane).oldest_height;
    assert_eq!(oldest, Height(1));
    for back in [3_000_000_000u64, 2_000_000_000] {
        lane.source.block(Timestamp(end.0 - back), Vec::new());
        let from = lane.source.update(newest, lane.source.height());
        let call =
            PacketCall::UpdateClient(UpdateClient { client: lane.target_client.clone(), update: from });
        let time = Timestamp(end.0 - back);
        assert_ok(&lane.target.transact_at(time, Actor::Relayer, vec![packet_call(&call)]));
        assert!(state(&lane).oldest_height > oldest, "an update prunes");
        oldest = state(&lane).oldest_height;
    }
    assert_eq!(oldest, newest, "every expired state is gone");
    assert!(lane.target.state.consensus(&lane.target_client, &state(&lane), Height(1)).is_none());
    let update = lane.source.update(Height(1), lane.source.height());
    let stale = PacketCall::UpdateClient(UpdateClient { client: lane.target_client.clone(), update });
    let time = Timestamp(end.0 - 1_000_000_000);
    let receipt = lane.target.transact_at(time, Actor::Relayer, vec![packet_call(&stale)]);
    assert_eq!(reason(&receipt), "INVALID_HEADER", "a pruned height is no trusted height");

    let last = Timestamp(state(&lane).latest_time.0 + period * 1_000_000_000);
    lane.source.block(Timestamp(last.0 - 2), Vec::new());
    let update = lane.source.update(state(&lane).latest_height, lane.source.height());
    let call = PacketCall::UpdateClient(UpdateClient { client: lane.target_client.clone(), update });
    let mut show_at =
        |time: Timestamp| lane.target.transact_at(time, Actor::Relayer, vec![packet_call(&stale)]).reason;
    assert_eq!(
        show_at(Timestamp(last.0 - 1)),
        "INVALID_HEADER",
        "alive: the call fails for its trusted height"
    );
    assert_eq!(show_at(last), "CLIENT_EXPIRED");
    assert_eq!(lane.target.transact(Actor::Relayer, vec![packet_call(&call)]).reason, "CLIENT_EXPIRED");
}

#[test]
fn a_client_takes_another_quorum_only_from_parameters_under_a_verified_header() {
    let mut lane = TestLane::new(5, 1);
    let majority = Parameters {
        quorum_numerator: 1,
        quorum_denominator: 2,
        trust: catenary_types::Trust::Crash,
        ..Parameters::for_group_of(5)
    };
    let message = GovernanceCall::SetParameters(SetParameters { parameters: majority.clone() }).encode();
    let call = Call { instance: "governance".parse().unwrap(), message };
    assert_ok(&lane.source.transact(Actor::User, vec![call]));
    lane.source.seal();
    lane.source.seal();
    let (shown, last) = (Height(lane.source.height().0 - 1), lane.source.height());
    let certify = |lane: &TestLane, height: Height, absent: &[usize]| {
        let block = lane.source.at(height);
        let signed = lane.source.certify(block.signed.header.clone(), &block.validators, 0, absent);
        lane.source.update_with(state(lane).latest_height, &signed)
    };

    let mut lie = lane.source.update(Height(1), Height(2));
    lie.parameters = Some(majority.clone());
    assert_eq!(reason(&show(&mut lane, lie)), "INVALID_HEADER", "the header commits to others");
    // The header that shows the change needs the old quorum.
    let mut weak = certify(&lane, shown, &[0, 1]);
    weak.parameters = Some(majority.clone());
    assert_eq!(reason(&show(&mut lane, weak)), "INVALID_HEADER");
    let mut update = certify(&lane, shown, &[0]);
    update.parameters = Some(majority);
    assert_ok(&show(&mut lane, update));
    assert_eq!(state(&lane).quorum, Fraction { numerator: 1, denominator: 2 });
    // Three of five is more than a half and less than two thirds; two of five is neither.
    let (two, three) = (certify(&lane, last, &[0, 1, 2]), certify(&lane, last, &[0, 1]));
    assert_eq!(reason(&show(&mut lane, two)), "INVALID_HEADER");
    assert_ok(&show(&mut lane, three));
    // An older header shows what was in force then.
    let mut old = lane.source.update(Height(1), Height(2));
    old.parameters = Some(Parameters::for_group_of(5));
    assert_ok(&show(&mut lane, old));
    assert_eq!(state(&lane).quorum, Fraction { numerator: 1, denominator: 2 });
}

#[test]
fn a_quorum_below_a_half_is_not_taken_and_an_update_has_a_size() {
    let mut lane = TestLane::new(4, 1);
    let parameters = Parameters { quorum_numerator: 1, quorum_denominator: 3, ..Parameters::for_group_of(4) };
    let set = SetParameters { parameters: parameters.clone() };
    let message = GovernanceCall::SetParameters(set).encode();
    let call = Call { instance: "governance".parse().unwrap(), message };
    assert_ok(&lane.source.transact(Actor::User, vec![call]));
    lane.source.seal();
    let mut update = lane.source.update(Height(1), lane.source.height());
    update.parameters = Some(parameters);
    assert_eq!(reason(&show(&mut lane, update.clone())), "INVALID_HEADER");
    update.parameters = None;

    // A second client that reads exactly as much as the update has, and a third that reads a byte less.
    for (room, accepted) in [(0, true), (1, false)] {
        let mut create = lane.source.client_at(Height(1));
        create.update_bytes_max = (update.len() - room) as u64;
        assert_ok(&lane.target.call(Actor::Operator, &PacketCall::CreateClient(create)));
        lane.target_client = ClientId::bft(2 + room as u64);
        assert_eq!(show(&mut lane, update.clone()).succeeded(), accepted);
    }
}
