//! What comes back: a validator that forgot its votes, and a group after one power cut.

use crate::network::{Faults, World};
use crate::node::{Group, Loss, Packet, key};
use crate::scenarios::{ROUGH, rough_then_calm_in, seeds};
use catenary_consensus::Message;
use catenary_types::{Address, Height, VoteKind};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Node 0 of four loses everything it remembers of its votes, at every second crash.
fn forgetting(seed: u64, rejoin_heights: Option<u64>) -> World {
    let mut world = World::new(4, seed, ROUGH);
    world.group.rejoin_heights = rejoin_heights;
    let losses = |node| match node {
        0 => vec![Loss::Nothing, Loss::Both, Loss::Everything],
        _ => vec![Loss::Nothing],
    };
    rough_then_calm_in(world, losses)
}

/// Whether a schedule made a validator contradict itself.
fn contradicts(run: impl FnOnce() -> World) -> bool {
    let Err(panic) = catch_unwind(AssertUnwindSafe(run)) else { return false };
    panic.downcast_ref::<String>().is_some_and(|text| text.contains("contradicted itself"))
}

#[test]
fn a_validator_that_forgot_its_votes_votes_again_and_never_twice() {
    for seed in seeds() {
        let mut world = forgetting(seed, Some(3));
        assert!(world.evidence.is_empty(), "a validator that forgot looked like a liar");
        // It is back: it signs what the group decides now.
        let (address, tip) = (Address::of(&key(0).public_key()), world.tips()[0].unwrap_or_default());
        world.run_until(60, "its vote", |world| {
            let precommits = world.votes_of(address, VoteKind::Precommit);
            precommits.iter().any(|vote| vote.height > tip && vote.value.is_some())
        });
    }
}

#[test]
fn without_the_rule_a_validator_that_forgot_its_votes_contradicts_itself() {
    // The negative control: what the tests here rely on is able to fail.
    assert!(
        (0..12).any(|seed| contradicts(|| forgetting(seed, None))),
        "no schedule noticed forgotten votes"
    );
}

/// Brings node `ahead` of four two heights above what the others know to be final, and lets it lead there. Then wipes it.
fn wiped_two_heights_ahead(seed: u64, rejoin_heights: u64, loss: Loss) -> World {
    let mut world = World::new(4, seed, Faults::NONE);
    world.group.rejoin_heights = Some(rejoin_heights);
    let ahead = world.leader_seed(0);
    world.start_all();
    world.run_to(Height(3), 60);
    let known = world.tips().into_iter().flatten().max().unwrap_or_default();
    let decided = known.next();
    // From now on precommits reach nobody but this one, nor do blocks with their certificates.
    for node in 0..4 {
        let lie = move |to: usize, packet: &Packet, _: &Group| match packet {
            Packet::Consensus(Message::Vote(signed)) => {
                let hidden = signed.vote.kind == VoteKind::Precommit && signed.vote.height >= decided;
                if hidden && to != ahead { Vec::new() } else { vec![packet.clone()] }
            }
            Packet::Sync(..) => Vec::new(),
            _ => vec![packet.clone()],
        };
        world.lies.insert(node, Box::new(lie));
    }
    // It decides alone, then proposes and votes at the height after.
    let address = Address::of(&key(ahead).public_key());
    world.run_until(60, "the vote two heights ahead", |world| {
        let prevotes = world.votes_of(address, VoteKind::Prevote);
        prevotes.last().is_some_and(|vote| vote.height > decided)
    });
    for node in (0..4).filter(|node| *node != ahead) {
        assert_eq!(world.tips()[node], Some(known), "the others know less");
    }
    world.losses[ahead] = vec![loss];
    world.cut(ahead);
    world.lies.clear();
    world.start(ahead);
    world.run_to(Height(known.0 + 10), 60);
    world
}

#[test]
fn a_validator_wiped_two_heights_ahead_of_its_peers_signs_nothing_twice() {
    for seed in seeds() {
        for loss in [Loss::Both, Loss::Everything] {
            let world = wiped_two_heights_ahead(seed, 3, loss);
            assert!(world.evidence.is_empty());
        }
    }
    // Two heights are too few.
    assert!(seeds().any(|seed| contradicts(|| wiped_two_heights_ahead(seed, 2, Loss::Everything))));
}

/// Runs a seed's schedule for a number of events, then cuts the power of all four for a while.
fn cut_after(events: usize, seed: u64, outage_ms: u64) -> World {
    let mut world = World::new(4, seed, Faults { delay_ms_max: 40, flush_ms_max: 20, ..Faults::NONE });
    world.start_all();
    (0..events).for_each(|_| world.run_event());
    world.faults = Faults { delay_ms_max: 0, flush_ms_max: 0, ..Faults::NONE };
    world.power_cut(outage_ms);
    world
}

#[test]
fn four_nodes_after_one_power_cut_go_on_without_waiting_for_a_timer() {
    // An outage shorter than a proposal may travel changes nothing.
    for outage_ms in [0, 3_000] {
        let mut cuts = 0;
        for seed in seeds().step_by(4) {
            for events in 0.. {
                let mut world = cut_after(events, seed, outage_ms);
                let (highest, now) =
                    (world.tips().into_iter().flatten().max().unwrap_or_default(), world.now);
                world.run_now_to(highest.next());
                let tips = world.tips();
                let cut = format!("seed {seed}, {events} events, {outage_ms} ms off, at {highest:?}");
                assert!(tips.iter().all(|tip| *tip > Some(highest)), "{cut}: waits at {tips:?}");
                assert_eq!((world.now, world.evidence.len()), (now, 0), "{cut}");
                cuts += 1;
                if highest >= Height(3) {
                    break;
                }
            }
        }
        assert!(cuts > 300, "few cuts were tried: {cuts}");
    }
}

#[test]
fn after_a_long_power_cut_a_round_is_lost_at_most() {
    for seed in seeds().step_by(4) {
        for events in (0..200).step_by(7) {
            let mut world = cut_after(events, seed, 3_600_000);
            let highest = world.tips().into_iter().flatten().max().unwrap_or_default();
            world.run_to(highest.next(), 2);
            assert!(world.rounds.get(&highest.next()).is_none_or(|round| *round <= 1));
            assert!(world.evidence.is_empty());
        }
    }
}
