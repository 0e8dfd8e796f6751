//! The schedules.

use crate::network::{Faults, World};
use crate::node::{Block, Group, Loss, Packet, key};
use catenary_consensus::{Evidence, Message, SignedVote, ValueId, Voting};
use catenary_crypto::sha256;
use catenary_types::{Address, CommitSignature, Height, Timestamp, VoteKind};

/// Crashes, losses and delays at once.
pub(crate) const ROUGH: Faults =
    Faults { delay_ms_max: 60, loss_percent: 5, crash_per_10_000: 40, flush_ms_max: 20 };

/// Seeds per group size: a dozen by default, as many as `SIMULATION_SEEDS` says in long runs.
pub(crate) fn seeds() -> std::ops::Range<u64> {
    0..std::env::var("SIMULATION_SEEDS").map_or(12, |text| text.parse().unwrap())
}

/// Runs rough for a while, then lets the faults stop and all catch up.
fn rough_then_calm(members: usize, seed: u64, losses: impl Fn(usize) -> Vec<Loss>) -> World {
    rough_then_calm_in(World::new(members, seed, ROUGH), losses)
}

/// The same in a world of one's own.
pub(crate) fn rough_then_calm_in(mut world: World, losses: impl Fn(usize) -> Vec<Loss>) -> World {
    world.losses = (0..world.nodes.len()).map(losses).collect();
    world.start_all();
    world.run_for(10);
    world.faults = Faults::NONE;
    let highest = world.tips().into_iter().flatten().max().unwrap_or_default();
    world.run_to(Height(highest.0 + 5), 120);
    world
}

#[test]
fn groups_of_every_size_decide() {
    for members in 1..=16 {
        let mut world = World::new(members, members as u64, Faults::NONE);
        world.start_all();
        world.run_to(Height(5), 60);
        assert!(world.evidence.is_empty(), "nobody lied");
        assert_eq!(world.rounds.values().max(), Some(&0), "without faults every height takes one round");
    }
}

#[test]
fn crashes_losses_and_delays_break_neither_safety_nor_the_way_back() {
    let mut crashes = 0;
    for members in [1, 2, 3, 4, 7] {
        for seed in seeds() {
            // The journal alone is enough, so half of the crashes lose the guard's file.
            let world =
                rough_then_calm(members, seed * 100 + members as u64, |_| vec![Loss::Nothing, Loss::Guard]);
            assert!(world.evidence.is_empty(), "a crash made an honest validator look like a liar");
            crashes += world.crashes;
        }
    }
    assert!(crashes > 500, "the schedules hardly crashed anybody: {crashes}");
}

#[test]
fn the_guard_alone_keeps_a_validator_from_contradicting_itself() {
    let mut abstained = 0;
    for seed in seeds() {
        // One of four: a validator without its journal has forgotten its lock and sits the height out.
        let lose = |node| vec![if node == 0 { Loss::Journal } else { Loss::Nothing }];
        let world = rough_then_calm(4, seed, lose);
        assert!(world.evidence.is_empty(), "a lost journal made an honest validator look like a liar");
        abstained += world.abstained;
    }
    assert!(abstained > 0, "the guard was never asked");
}

#[test]
fn a_seed_names_one_schedule() {
    let trace = |seed| rough_then_calm(4, seed, |_| vec![Loss::Nothing]).trace;
    assert_eq!(trace(7), trace(7));
    assert_ne!(trace(7), trace(8));
}

#[test]
fn one_silent_validator_of_four_costs_one_round_while_it_leads() {
    for silent in 0..4 {
        let mut world = World::new(4, 1, Faults::NONE);
        world.silent.push(silent);
        world.start_all();
        world.run_to(Height(20), 60);
        let slow = world.rounds.values().filter(|round| **round > 0).count();
        assert!(slow <= 1, "the lead stuck to a dead validator: {:?}", world.rounds);
    }
}

#[test]
fn two_silent_validators_of_four_stop_the_group_and_no_more() {
    let mut world = World::new(4, 1, Faults::NONE);
    world.start_all();
    world.run_to(Height(3), 60);
    world.silent = vec![0, 1];
    world.run_for(5);
    let stuck = world.tips().into_iter().flatten().max().unwrap_or_default();
    world.run_for(60);
    assert_eq!(world.tips().into_iter().flatten().max(), Some(stuck), "two of four decided");
    world.silent.clear();
    world.run_to(Height(stuck.0 + 5), 60);
}

/// Signs the same vote for something else.
fn contradict(vote: SignedVote, group: &Group, last_time: Timestamp) -> SignedVote {
    let mut vote = vote.vote;
    let other = ValueId { block: sha256(b"another block"), time: last_time };
    vote.value = if vote.value.is_some() { None } else { Some(other) };
    let signer = (0..).map(key).find(|key| Address::of(&key.public_key()) == vote.validator).unwrap();
    let signature = signer.sign(&vote.sign_bytes(&group.chain_id, last_time));
    SignedVote { vote, signature }
}

#[test]
fn an_equivocating_validator_is_reported_and_changes_nothing() {
    for seed in 0..5 {
        let mut world = World::new(4, seed, Faults { delay_ms_max: 30, ..Faults::NONE });
        // At height 1 a vote for nil is signed over the genesis time, which everybody knows.
        let lie = |_: usize, packet: &Packet, group: &Group| match packet {
            Packet::Consensus(Message::Vote(vote)) if vote.vote.height == Height(1) => {
                let other = contradict(*vote, group, crate::node::GENESIS_TIME);
                vec![packet.clone(), Packet::Consensus(Message::Vote(other))]
            }
            _ => vec![packet.clone()],
        };
        world.lies.insert(2, Box::new(lie));
        world.start_all();
        world.run_to(Height(5), 60);
        let liar = Address::of(&key(2).public_key());
        assert!(!world.evidence.is_empty(), "nobody noticed");
        for evidence in &world.evidence {
            assert_eq!(evidence.validator(), liar);
            let Evidence::DoubleVote { first, second, last_time } = evidence else { panic!("{evidence:?}") };
            for signed in [first, second] {
                let message = signed.vote.sign_bytes(&world.group.chain_id, *last_time);
                let key = key(2).public_key();
                assert!(catenary_crypto::verify(&key, &message, &signed.signature).is_ok());
            }
        }
    }
}

#[test]
fn a_leader_that_proposes_two_blocks_is_reported_and_forks_nobody() {
    for seed in 0..5 {
        let mut world = World::new(4, seed, Faults::NONE);
        let leader = world.leader_seed(0);
        let twin = |group: &Group, proposal: &catenary_consensus::Proposal| {
            let key = (0..).map(key).find(|key| Address::of(&key.public_key()) == proposal.proposer).unwrap();
            let time = Timestamp(proposal.value.time.0 + 1);
            let builder = proposal.proposer;
            let block = Block { height: Height(1), time, builder, parent: Default::default(), sound: true };
            let proposal = catenary_consensus::Proposal { value: block.id(), ..*proposal };
            let signature = key.sign(&proposal.sign_bytes(&group.chain_id));
            let signed = catenary_consensus::SignedProposal { proposal, signature };
            [Packet::Body(block), Packet::Consensus(Message::Proposal(signed))]
        };
        // Everybody gets both, in an order that depends on the receiver.
        let lie = move |to: usize, packet: &Packet, group: &Group| match packet {
            Packet::Consensus(Message::Proposal(signed)) if signed.proposal.height == Height(1) => {
                let mut packets = twin(group, &signed.proposal).to_vec();
                packets.insert(if to.is_multiple_of(2) { 0 } else { 2 }, packet.clone());
                packets
            }
            _ => vec![packet.clone()],
        };
        world.lies.insert(leader, Box::new(lie));
        world.start_all();
        world.run_to(Height(5), 60);
        let liar = Address::of(&key(leader).public_key());
        assert!(!world.evidence.is_empty(), "nobody noticed");
        assert!(world.evidence.iter().all(|evidence| evidence.validator() == liar));
    }
}

#[test]
fn a_leader_whose_clock_runs_ahead_is_passed_over() {
    let mut world = World::new(4, 3, Faults::NONE);
    world.start_all();
    let leader = world.leader_seed(0);
    // Ten seconds ahead: beyond p, so the others refuse, and the lead passes on.
    world.node(leader).built_ahead_ms = 10_000;
    world.run_to(Height(10), 60);
    let late = world
        .chain(leader)
        .iter()
        .filter(|(_, block)| block.builder == Address::of(&key(leader).public_key()));
    assert!(late.count() <= 1, "blocks from the future were accepted");
}

#[test]
fn who_refused_an_untimely_value_precommits_it_once_a_quorum_prevotes_it() {
    let mut world = World::new(4, 5, Faults::NONE);
    let follower = world.leader_seed(1);
    world.start_all();
    // Its clock is an hour off, so it finds every block untimely; the other three are a quorum.
    world.node(follower).skew = 3_600_000_000_000;
    world.run_to(Height(10), 60);
    let address = Address::of(&key(follower).public_key());
    let precommits = world.votes_of(address, VoteKind::Precommit);
    let prevotes = world.votes_of(address, VoteKind::Prevote);
    assert!(
        precommits.iter().filter(|vote| vote.value.is_some()).count() >= 5,
        "it never precommitted a block"
    );
    assert!(prevotes.iter().filter(|vote| vote.value.is_none()).count() >= 5, "it found blocks timely");
}

#[test]
fn without_a_quorum_of_agreeing_clocks_nothing_untimely_is_decided() {
    let mut world = World::new(4, 5, Faults::NONE);
    world.start_all();
    world.run_to(Height(2), 60);
    for node in 0..4 {
        // Each ten seconds from the next: nobody finds anybody's blocks timely.
        world.node(node).skew = node as i64 * 10_000_000_000;
    }
    world.run_for(5);
    let stuck = world.tips().into_iter().flatten().max().unwrap_or_default();
    world.run_for(30);
    assert!(world.tips().into_iter().flatten().max().unwrap_or_default().0 <= stuck.0 + 1);
}

#[test]
fn a_vote_with_another_time_is_a_vote_for_another_value() {
    let mut world = World::new(4, 9, Faults::NONE);
    // One validator votes for the right hash with the wrong time, correctly signed.
    let lie = |_: usize, packet: &Packet, group: &Group| match packet {
        Packet::Consensus(Message::Vote(signed)) if signed.vote.value.is_some() => {
            let mut vote = signed.vote;
            vote.value = vote.value.map(|value| ValueId { time: Timestamp(value.time.0 + 1), ..value });
            let signature = key(1).sign(&vote.sign_bytes(&group.chain_id, Timestamp(0)));
            vec![Packet::Consensus(Message::Vote(SignedVote { vote, signature }))]
        }
        _ => vec![packet.clone()],
    };
    world.lies.insert(1, Box::new(lie));
    world.start_all();
    world.run_to(Height(10), 60);
    // Certificates are checked as they come: it is absent from all that others made.
    let liar = Address::of(&key(1).public_key());
    let others = world.chain(0).iter().flat_map(|(certificate, _)| &certificate.signatures);
    let counted = |entry: &&CommitSignature| matches!(entry, CommitSignature::Commit { address, .. } if *address == liar);
    assert_eq!(others.filter(counted).count(), 0);
}

#[test]
fn an_unsound_block_is_never_decided() {
    let mut world = World::new(4, 11, Faults::NONE);
    let leader = world.leader_seed(0);
    let lie = |_: usize, packet: &Packet, _: &Group| match packet {
        // The body arrives changed: its id is another, so the proposal stays without a body.
        Packet::Body(block) => vec![Packet::Body(Block { sound: false, ..*block })],
        _ => vec![packet.clone()],
    };
    world.lies.insert(leader, Box::new(lie));
    world.start_all();
    world.run_to(Height(10), 60);
    assert!(world.chain(0).iter().all(|(_, block)| block.sound));
}

#[test]
fn late_starters_catch_up() {
    let mut world = World::new(4, 13, Faults::NONE);
    (0..3).for_each(|node| world.start(node));
    world.silent.push(3);
    world.run_to(Height(20), 60);
    world.silent.clear();
    world.start(3);
    let tip = world.tips()[0].unwrap_or_default();
    world.run_to(Height(tip.0 + 3), 60);
}

#[test]
fn who_follows_decides_and_signs_nothing() {
    let mut world = World::new(4, 17, Faults::NONE);
    world.voting[3] = Voting::Follow;
    world.start_all();
    world.run_to(Height(10), 60);
    let address = Address::of(&key(3).public_key());
    assert!(world.votes_of(address, VoteKind::Prevote).is_empty());
    assert!(world.votes_of(address, VoteKind::Precommit).is_empty());
}
