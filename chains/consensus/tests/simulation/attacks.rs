//! Validators that break the rules, and those that are none any more.

use crate::network::{Faults, World};
use crate::node::{GENESIS_TIME, Group, Packet, key};
use catenary_consensus::{Input, Message, Peer, SignedVote, Vote};
use catenary_types::{Address, Height, Validator, ValidatorSet, VoteKind};
use std::sync::Arc;

#[test]
fn a_leader_whose_blocks_are_invalid_loses_its_turn() {
    for seed in 0..5 {
        let mut world = World::new(4, seed, Faults::NONE);
        world.start_all();
        world.run_to(Height(2), 60);
        let leader = world.leader_seed(0);
        let from = world.tips()[leader].unwrap_or_default();
        world.node(leader).builds_unsound = true;
        world.run_to(Height(from.0 + 10), 60);
        let chain = world.chain(leader);
        assert!(chain.iter().all(|(_, block)| block.sound));
        let address = Address::of(&key(leader).public_key());
        assert!(chain[from.0 as usize + 2..].iter().all(|(_, block)| block.builder != address));
        assert_eq!(world.rounds.values().filter(|round| **round > 0).count(), 1, "it costs one round once");
    }
}

#[test]
fn a_leader_that_withholds_its_bodies_loses_its_turn_unless_a_quorum_has_them() {
    for (receivers, decided) in [(0, false), (1, false), (2, true), (3, true)] {
        let mut world = World::new(4, 2, Faults::NONE);
        let leader = world.leader_seed(0);
        // Nobody but these gets its bodies; who lacks one fetches the block once it is decided.
        let lie = move |to: usize, packet: &Packet, _: &Group| match packet {
            Packet::Body(_) if (to + 4 - leader) % 4 > receivers => Vec::new(),
            _ => vec![packet.clone()],
        };
        world.lies.insert(leader, Box::new(lie));
        world.start_all();
        world.run_to(Height(5), 60);
        let first = world.chain(leader)[0].1.builder;
        assert_eq!(
            first == Address::of(&key(leader).public_key()),
            decided,
            "{receivers} others have the body"
        );
        // Who did not get the body did not vote for it, unless a quorum had.
        for node in (0..4).filter(|node| (node + 4 - leader) % 4 > receivers) {
            let prevotes = world.votes_of(Address::of(&key(node).public_key()), VoteKind::Prevote);
            let first = prevotes.iter().find(|vote| vote.height == Height(1) && vote.round == 0);
            assert!(first.is_none_or(|vote| vote.value.is_none()), "node {node}: {first:?}");
        }
    }
}

#[test]
fn a_proposer_that_left_the_set_hands_over_and_is_not_heard() {
    for seed in 0..5 {
        let mut world = World::new(5, seed, Faults::NONE);
        // The first of five misses its turn, so the second leads, and leaves.
        let (first, leaving) = (world.leader_seed(0), world.leader_seed(1));
        let members = (0..5).filter(|node| *node != leaving);
        let members = members.map(|node| Validator { public_key: key(node).public_key(), power: 1 });
        let set = Arc::new(ValidatorSet::new(members.collect()).unwrap());
        world.group.set_later = Some((Height(100), set.clone()));
        world.silent.push(first);
        world.start_all();
        world.run_to(Height(1), 60);
        world.silent.clear();
        world.run_to(Height(105), 60);
        let address = Address::of(&key(leaving).public_key());
        let builders: Vec<_> = world.chain(leaving).iter().map(|(_, block)| block.builder).collect();
        assert!(builders[..99].iter().all(|builder| *builder == address), "it led until it left");
        // By index: who stands second of those that stay goes on, in round 0.
        assert!(builders[99..].iter().all(|builder| *builder == set.addresses()[1]));
        assert!((2..105).all(|height| world.rounds[&Height(height)] == 0), "nobody waited for it");
        for kind in [VoteKind::Prevote, VoteKind::Precommit] {
            let votes = world.votes_of(address, kind);
            assert!(votes.iter().all(|vote| vote.height < Height(100)), "it voted after it had left");
        }
    }
}

/// Node 3 prevotes nil at height 1, for no reason.
fn stray_vote(group: &Group) -> Input {
    let (kind, validator) = (VoteKind::Prevote, Address::of(&key(3).public_key()));
    let vote = Vote { kind, height: Height(1), round: 0, value: None, validator };
    let signature = key(3).sign(&vote.sign_bytes(&group.chain_id, GENESIS_TIME));
    Input::Message { peer: Peer(3), message: Message::Vote(SignedVote { vote, signature }) }
}

#[test]
fn expired_work_and_a_stray_vote_leave_an_idle_group_idle() {
    // Work that reaches one node or all, and goes at once, or after the leader failed to propose it.
    for (nodes, after_ms) in [(1, 0), (4, 0), (1, 3_000), (4, 3_000)] {
        let mut world = World::new(4, 1, Faults::NONE);
        world.group.quiet = true;
        world.start_all();
        (0..nodes).for_each(|node| world.submit(node, false));
        world.run_for_ms(after_ms);
        (0..nodes).for_each(|node| world.input(node, Input::Rest));
        let stray = stray_vote(&world.group);
        (0..3).for_each(|node| world.input(node, stray.clone()));
        world.run_for(30);
        let said = world.said;
        assert_eq!(world.deadlines(), [None; 4], "{nodes} nodes had work for {after_ms} ms: a timer runs");
        world.run_for(30);
        assert_eq!(world.said, said, "{nodes} nodes had work for {after_ms} ms: somebody speaks");
        // And it is not dead.
        (0..4).for_each(|node| world.submit(node, true));
        world.run_to(Height(1), 60);
    }
}

#[test]
fn work_that_comes_after_a_false_start_is_decided_on_bad_links() {
    for seed in 0..8 {
        let mut world = World::new(4, seed, Faults { delay_ms_max: 60, loss_percent: 20, ..Faults::NONE });
        world.group.quiet = true;
        world.start_all();
        // Some hear of a transaction that expires; they part in different rounds, some of them asleep.
        (0..4).filter(|node| (seed >> node) & 1 == 0).for_each(|node| world.submit(node, false));
        world.run_for(seed);
        (0..4).for_each(|node| world.input(node, Input::Rest));
        world.run_for(5);
        assert_eq!(world.tips(), [Some(Height(0)); 4]);
        (0..4).for_each(|node| world.submit(node, true));
        world.run_to(Height(1), 60);
    }
}
