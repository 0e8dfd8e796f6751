//! Single situations, each with what exactly must come of it.

use crate::{
    chain::{FUNDS, account, instance_call},
    world::{Faults, Layout, World},
};
use catenary_apps::admin::{AdminCall, DeclareReady, SetValidators};
use catenary_packet::{ReadClients, events, records::Standing, testing::validator};
use catenary_relay::{
    ChainIndex, Input,
    gateway::{FinalBlock, SharedBlock},
};
use catenary_transfer::audit::{self, Ending};
use catenary_types::{Amount, Height, Message, Timestamp, UnixSeconds};
use std::sync::Arc;

/// How the packets of a world ended.
fn endings(world: &World) -> Vec<Option<Ending>> {
    let packets = world.network().packets();
    packets.into_values().map(|record| record.settled.first().map(|(ending, _)| *ending)).collect()
}

/// Transactions on a chain that speak of packets the way this event does.
fn transactions_with(world: &World, chain: usize, kind: &str) -> usize {
    let receipts = world.chains[chain].blocks.iter().flat_map(|block| &block.receipts);
    receipts.filter(|receipt| receipt.events.iter().any(|event| event.kind == kind)).count()
}

fn failed_transactions(world: &World) -> usize {
    let receipts = world.chains.iter().flat_map(|chain| &chain.blocks).flat_map(|block| &block.receipts);
    receipts.filter(|receipt| !receipt.succeeded()).count()
}

#[test]
fn packets_that_are_ready_together_share_one_call() {
    let mut world = World::new(1, Layout::default());
    world.run_ms(2_000);
    let (north, timeout) = (world.lanes[0][0].clone(), world.seconds_from_now(600));
    for payment in 0..700 {
        world.pay(&north, payment % 4, "customer-1", 1, timeout);
    }
    world.settle(UnixSeconds(0));
    assert_eq!(endings(&world), vec![Some(Ending::Ok); 700]);
    assert_eq!(transactions_with(&world, 1, events::RECEIVE_PACKET), 2, "500 and 200");
    assert!(transactions_with(&world, 0, events::ACKNOWLEDGE_PACKET) <= 3);
    assert_eq!(failed_transactions(&world), 0);
    let voucher = format!("transfer/{}/north-coin", world.lanes[0][1].1).parse().unwrap();
    let balances = audit::balances(&world.chains[1].real.state);
    assert_eq!(balances[&(account("customer-1").id(), voucher)], Amount(700));
}

#[test]
fn nothing_is_submitted_twice_when_nothing_fails() {
    let mut world = World::new(2, Layout { chains: 3, ..Layout::default() });
    let timeout = world.seconds_from_now(600);
    for _ in 0..60 {
        for lane in world.lanes.clone() {
            world.pay(&lane[0], 0, "customer-1", 1, timeout);
            world.pay(&lane[1], 0, "customer-1", 1, timeout);
        }
        world.tick();
    }
    world.settle(timeout);
    assert_eq!(failed_transactions(&world), 0);
    let duplicates = (0..3).map(|chain| transactions_with(&world, chain, events::PACKET_OUTCOME));
    assert_eq!(duplicates.sum::<usize>(), 0);
}

#[test]
fn the_first_timeout_on_a_fresh_lane_refunds() {
    let mut world = World::new(3, Layout::default());
    let north = world.lanes[0][0].clone();
    world.chains[1].halted = true;
    let timeout = world.seconds_from_now(3);
    world.pay(&north, 0, "customer-1", 500, timeout);
    world.run_ms(10_000);
    assert_eq!(endings(&world), vec![None], "without the target nobody may refund");
    world.chains[1].halted = false;
    world.settle(timeout);
    assert_eq!(endings(&world), vec![Some(Ending::Timeout)]);
    let balances = audit::balances(&world.chains[0].real.state);
    let asset = world.chains[0].asset();
    assert_eq!(balances[&(account("customer-0").id(), asset)], Amount(FUNDS));
}

#[test]
fn an_idle_target_is_asked_for_its_time_once_a_second_at_most() {
    // The courier is away while the packet's time passes; then only a tick can show that it did.
    let mut world = World::new(4, Layout::default());
    world.run_ms(1_000);
    world.couriers[0].dead = true;
    let (north, timeout) = (world.lanes[0][0].clone(), world.seconds_from_now(5));
    world.pay(&north, 0, "customer-1", 500, timeout);
    world.run_ms(8_000);
    let height = world.chains[1].height();
    world.couriers[0].dead = false;
    world.settle(timeout);
    assert_eq!(endings(&world), vec![Some(Ending::Timeout)]);
    assert!(world.chains[1].height().0 <= height.0 + 2, "one tick and its seal");
}

#[test]
fn one_of_two_couriers_may_die_for_ever() {
    for dead in 0..2 {
        let mut world = World::new(5, Layout { couriers: 2, ..Layout::default() });
        let (north, timeout) = (world.lanes[0][0].clone(), world.seconds_from_now(600));
        for payment in 0..40 {
            world.pay(&north, 0, "customer-1", 1, timeout);
            world.run_ms(20);
            world.couriers[dead].dead |= payment == 20;
        }
        world.settle(UnixSeconds(0));
        assert_eq!(endings(&world), vec![Some(Ending::Ok); 40]);
    }
}

#[test]
fn a_standby_courier_leaves_the_work_to_the_first_until_it_dies() {
    let layout = Layout { couriers: 2, patience_ms: [0, 500], ..Layout::default() };
    let mut world = World::new(16, layout);
    let (north, timeout) = (world.lanes[0][0].clone(), world.seconds_from_now(600));
    for _ in 0..30 {
        world.pay(&north, 0, "customer-1", 1, timeout);
        world.run_ms(20);
    }
    world.settle(UnixSeconds(0));
    world.run_ms(2_000);
    assert_eq!(world.couriers[1].submissions, 0);
    world.couriers[0].dead = true;
    world.pay(&north, 0, "customer-1", 1, timeout);
    world.settle(UnixSeconds(0));
    assert_eq!(world.couriers[1].submissions, 2, "one receive, one acknowledge");
}

/// Invariant 9: runs that differ only in when couriers die end in the same balances.
#[test]
fn killing_couriers_changes_no_balance() {
    let run = |killed_every: Option<usize>| {
        let mut world = World::new(6, Layout { chains: 3, ..Layout::default() });
        let timeout = world.seconds_from_now(3_000);
        for payment in 0..90 {
            let lane = world.lanes[payment % 3].clone();
            world.pay(&lane[payment % 2], payment % 4, "customer-1", 7, timeout);
            world.tick();
            if killed_every.is_some_and(|every| payment % every == 0) {
                world.kill(0, payment % 2 == 0);
            }
        }
        world.settle(UnixSeconds(0));
        world.chains.iter().map(|chain| audit::balances(&chain.real.state)).collect::<Vec<_>>()
    };
    let undisturbed = run(None);
    assert_eq!(run(Some(7)), undisturbed);
    assert_eq!(run(Some(1)), undisturbed);
}

#[test]
fn a_fresh_relay_finds_nothing_to_do_where_all_is_settled() {
    let mut world = World::new(7, Layout::default());
    let (north, timeout) = (world.lanes[0][0].clone(), world.seconds_from_now(600));
    // More blocks than are told at once: in between, settled packets look unsettled.
    for _ in 0..150 {
        world.pay(&north, 0, "customer-1", 1, timeout);
        world.run_ms(25);
    }
    world.settle(UnixSeconds(0));
    let done = |world: &World| (world.couriers[0].proofs, world.couriers[0].submissions);
    let before = done(&world);
    for from_start in [true, false] {
        world.kill(0, from_start);
        world.run_ms(60_000);
        let relay = &world.couriers[0].relay;
        assert_eq!((relay.backlog(), done(&world)), (0, before));
        assert_eq!(relay.position(ChainIndex(0)), world.chains[0].height().next());
    }
}

/// The heights of blocks with an event of this kind.
fn heights_with(world: &World, chain: usize, kind: &str) -> Vec<Height> {
    let blocks = world.chains[chain].blocks.iter();
    let with_event = blocks.filter(|block| block.events().any(|(_, event)| event.kind == kind));
    with_event.map(|block| block.height()).collect()
}

#[test]
fn a_cursor_lies_below_all_that_a_fresh_relay_must_know() {
    let mut world = World::new(18, Layout::default());
    world.run_ms(1_000);
    let [north, south] = world.lanes[0].clone();
    let cursor = |world: &World, chain: usize| world.couriers[0].relay.cursor(ChainIndex(chain));
    // Where nothing is unfinished: the last updates of both clients, and the headers that they trust.
    for (end, other) in [(&north, 1), (&south, 0)] {
        let learned = *heights_with(&world, end.0, events::CLIENT_CREATED).last().unwrap();
        let trusted = world.chains[other].real.state.client(&world.lanes[0][other].1).unwrap().latest_height;
        assert_eq!(cursor(&world, end.0), learned.min(trusted));
    }
    let timeout = world.seconds_from_now(3_000);
    // Settled packets first, so that clients are at newer heights than those of unfinished packets.
    for _ in 0..3 {
        world.pay(&north, 0, "customer-1", 1, timeout);
        world.settle(UnixSeconds(0));
    }
    world.chains[1].halted = true;
    world.pay(&north, 0, "customer-1", 1, timeout);
    world.run_ms(1_000);
    let sent = *heights_with(&world, 0, events::SEND_PACKET).last().unwrap();
    assert!(cursor(&world, 0) <= sent);
    world.kill(0, false);
    world.chains[1].halted = false;
    let received = heights_with(&world, 1, events::RECEIVE_PACKET).len();
    world.run_until(|world| heights_with(world, 1, events::RECEIVE_PACKET).len() > received);
    world.chains[0].halted = true;
    world.run_ms(2_000);
    let answered = *heights_with(&world, 1, events::RECEIVE_PACKET).last().unwrap();
    assert!(cursor(&world, 1) <= answered);
    world.kill(0, false);
    world.chains[0].halted = false;
    let (proofs, submissions) = (world.couriers[0].proofs, world.couriers[0].submissions);
    world.settle(UnixSeconds(0));
    let courier = &world.couriers[0];
    assert_eq!(
        (courier.proofs, courier.submissions),
        (proofs + 1, submissions + 1),
        "the acknowledgement alone"
    );
}

#[test]
fn a_set_that_changes_wholly_is_followed_step_by_step() {
    let mut world = World::new(8, Layout { validators: 4, ..Layout::default() });
    world.run_ms(1_000);
    let lane = world.lanes[0].clone();
    let timeout = world.seconds_from_now(3_000);
    for first in 1..9 {
        // No member stays, so no header can be shown before the one that announces its signers.
        let (north, members) = (&mut world.chains[0], (0..4).map(|index| first % 4 * 4 + index));
        let ready = |index| DeclareReady { readiness: north.real.ready(index, world.now.max(north.time())) };
        let ready: Vec<_> = members.clone().map(|index| AdminCall::DeclareReady(ready(index))).collect();
        let validators = members.map(|index| validator("north", index, 10)).collect();
        let change = AdminCall::SetValidators(SetValidators { validators });
        let calls = ready.iter().chain([&change]).map(|call| instance_call("admin", call.encode()));
        let envelope = north.sign("committee", calls.collect(), world.now);
        world.chains[0].submit(&envelope, world.now);
        // The courier is away for some of the changes.
        world.couriers[0].dead = (3..6).contains(&first);
        world.pay(&lane[0], 0, "customer-1", 1, timeout);
        world.pay(&lane[1], 0, "customer-1", 1, timeout);
        world.run_ms(500);
    }
    world.couriers[0].dead = false;
    world.settle(UnixSeconds(0));
    assert_eq!(endings(&world), vec![Some(Ending::Ok); 16]);
    assert_eq!(failed_transactions(&world), 0);
    // A courier that starts now can still show what comes next.
    world.kill(0, false);
    world.pay(&lane[0], 0, "customer-1", 1, timeout);
    world.settle(UnixSeconds(0));
    assert_eq!(endings(&world).len(), 17);
}

#[test]
fn an_idle_lane_does_not_expire() {
    let layout = Layout { trusting_period_s: 3_600, idle_interval_s: 1_200, ..Layout::default() };
    let mut world = World::new(9, layout);
    world.jump_ms_max = 60_000;
    world.run_ms(48 * 3_600 * 1_000);
    world.jump_ms_max = 500;
    let timeout = world.seconds_from_now(60);
    for end in world.lanes[0].clone() {
        world.pay(&end, 0, "customer-1", 1, timeout);
    }
    world.settle(timeout);
    assert_eq!(endings(&world), vec![Some(Ending::Ok); 2]);
    let updates = transactions_with(&world, 0, events::CLIENT_UPDATED);
    assert!((30..200).contains(&updates), "about two updates per trusting period, not {updates}");
}

#[test]
fn two_headers_of_one_height_freeze_the_clients_that_see_them() {
    let mut world = World::new(10, Layout { chains: 3, ..Layout::default() });
    world.run_ms(2_000);
    let real = world.chains[0].at(world.chains[0].height()).clone();
    let signed = world.chains[0].real.forge(real.height(), |header| header.app_hash.0[0] ^= 1);
    let block: SharedBlock = Arc::new(FinalBlock { signed, ..(*real).clone() });
    world.step(0, Input::Final { chain: ChainIndex(0), block });
    world.run_ms(5_000);
    // Chain 0 is an end of the first and the last lane; its own clients follow honest chains.
    for (lane, follower, innocent) in [(0, 1, 0), (2, 0, 1)] {
        let standing = |side: usize| {
            let (chain, client) = &world.lanes[lane][side];
            world.chains[*chain].real.state.client(client).unwrap().standing
        };
        assert_eq!([standing(follower), standing(innocent)], [Standing::Frozen, Standing::Sound]);
    }
    // Governance decides now; until then nobody knocks.
    let (proofs, timeout) = (world.couriers[0].proofs, world.seconds_from_now(600));
    world.pay(&world.lanes[0][0].clone(), 0, "customer-1", 1, timeout);
    world.run_ms(10_000);
    assert_eq!(world.couriers[0].proofs, proofs);
}

#[test]
fn one_packet_that_no_call_can_carry_delays_no_other() {
    let mut world = World::new(11, Layout::default());
    world.run_ms(1_000);
    let (north, timeout) = (world.lanes[0][0].clone(), world.seconds_from_now(60));
    for payment in 0..100 {
        let receiver = if payment == 30 { "poison" } else { "customer-1" };
        world.pay(&north, 0, receiver, 1, timeout);
    }
    world.chains[1].poison = Some(b"bank/poison".to_vec());
    world.run_ms(20_000);
    let settled = endings(&world).into_iter().filter(|ending| *ending == Some(Ending::Ok)).count();
    assert_eq!(settled, 99);
    assert!(world.couriers[0].submissions < 60, "what fails rests, {} calls", world.couriers[0].submissions);
    world.settle(timeout);
    assert_eq!(endings(&world).into_iter().filter(|ending| *ending == Some(Ending::Timeout)).count(), 1);
}

#[test]
fn refusals_and_frozen_receivers_are_answered_and_refunded() {
    let mut world = World::new(12, Layout::default());
    let (north, timeout) = (world.lanes[0][0].clone(), world.seconds_from_now(60));
    world.pay(&north, 0, "customer-1", u128::MAX, timeout);
    for receiver in ["customer-1", "customer-2"] {
        world.pay(&north, 0, receiver, 10, timeout);
    }
    let freeze = catenary_apps::asset::AssetCall::Freeze(catenary_apps::asset::Freeze {
        account: account("customer-2").id(),
    });
    let envelope = world.chains[1].sign("operator", vec![instance_call("asset", freeze.encode())], world.now);
    world.chains[1].submit(&envelope, world.now);
    world.settle(timeout);
    assert_eq!(endings(&world), vec![Some(Ending::Ok), Some(Ending::Error)]);
}

#[test]
fn a_lost_world_is_read_again() {
    let mut world = World::new(13, Layout::default());
    world.faults = Faults { lost: 300, failed: 300, doubled: 300, skipped: 50, cut: 50, ..Faults::default() };
    let (north, timeout) = (world.lanes[0][0].clone(), world.seconds_from_now(3_000));
    for payment in 0..40 {
        world.pay(&north, 0, "customer-1", 1, timeout);
        world.tick();
        if payment % 10 == 0 {
            world.step(0, Input::Reset);
        }
    }
    world.faults = Faults::default();
    world.settle(UnixSeconds(0));
    assert_eq!(endings(&world), vec![Some(Ending::Ok); 40]);
}

#[test]
fn a_relay_says_when_it_is_needed_next() {
    let world = World::new(14, Layout::default());
    assert_eq!(world.couriers[0].relay.deadline(), Some(Timestamp(0)), "a new relay must subscribe");
    let mut world = world;
    world.run_ms(5_000);
    let deadline = world.couriers[0].relay.deadline().unwrap();
    assert!(deadline > world.now.plus_ms(86_400_000), "an idle relay sleeps, not until {deadline:?}");
    assert_eq!(world.couriers[0].relay.position(ChainIndex(1)), world.chains[1].height().next());
    assert!(world.couriers[0].relay.cursor(ChainIndex(1)) <= Height(world.chains[1].height().0 + 1));
}

/// The invariants over states are no empty words: with one chain's state or history exchanged they do not hold.
#[test]
fn the_audit_notices_what_is_missing() {
    let mut world = World::new(17, Layout::default());
    let lane = world.lanes[0].clone();
    let timeout = world.seconds_from_now(60);
    world.pay(&lane[0], 0, "customer-1", 5, timeout);
    world.settle(timeout);
    audit::check(&world.network()).unwrap();
    let invariant = |network: &audit::Network<'_>| {
        audit::check(network).and(audit::all_settled(network)).map_err(|violation| violation.invariant)
    };
    let other = World::new(17, Layout::default());
    let mut without_vouchers = world.network();
    without_vouchers.chains[1].state = &other.chains[1].real.state;
    assert_eq!(invariant(&without_vouchers), Err(2));
    for (chain, blocks, broken) in [(0, 0, 7), (1, 0, 6), (0, 5, 8)] {
        let mut cut = world.network();
        cut.chains[chain].blocks.truncate(blocks);
        assert_eq!(invariant(&cut), Err(broken), "chain {chain} cut to {blocks} blocks");
    }
}
