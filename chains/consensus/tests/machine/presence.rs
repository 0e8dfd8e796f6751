//! Who is there: what those who come are told, who is missed, and how long one waits once enough are back.

use crate::group::{Group, NOW, feed, message, value, verdict};
use catenary_consensus::{Consensus, Effect, Input, Message, Origin, Peer, Start, Verdict};
use catenary_types::VoteKind::*;

/// Default waits: round 0 and growth per round, and before votes are sent again, in milliseconds.
const REBROADCAST_MS: u64 = 2_000;
const GROWTH_MS: u64 = 250;

/// The second of four, in round 0 of an awake height.
fn machine(group: &Group) -> Consensus {
    group.machine(1, None, group.start(Start::Now)).0
}

/// What a peer that has just come is told.
fn greeting(machine: &mut Consensus) -> Vec<Message> {
    let newcomer = Peer(3);
    let step = machine.step(NOW, Input::Greet(newcomer));
    let told = step.durable.into_iter().map(|effect| match effect {
        Effect::Tell { peer, message } if peer == newcomer => message,
        other => panic!("not for the newcomer: {other:?}"),
    });
    told.collect()
}

#[test]
fn who_comes_is_told_the_newest_message_of_everybody_in_each_step() {
    let (group, block) = (Group::new(4), value("block"));
    let mut machine = machine(&group);
    assert_eq!(greeting(&mut machine), []);
    let proposal = group.proposal(0, 0, block);
    let first = [
        message(Message::Proposal(proposal)),
        verdict(&group, block, 0, Verdict::Valid, Origin::Consensus),
        group.ballot(0, Prevote, 0, Some(block)),
        group.ballot(3, Prevote, 0, None),
        group.ballot(3, Precommit, 0, None),
        group.ballot(3, Prevote, 1, None),
    ];
    let own = feed(&mut machine, NOW, first);
    assert_eq!(own, [(Prevote, 0, Some(block))]);
    let told = greeting(&mut machine);
    assert!(told.contains(&Message::Proposal(proposal)), "{told:?}");
    let vote = |message: &Message| match message {
        Message::Vote(signed) => Some((signed.vote.validator, signed.vote.kind, signed.vote.round)),
        _ => None,
    };
    let mut votes: Vec<_> = told.iter().filter_map(vote).collect();
    let mut expected = [(0, Prevote, 0), (1, Prevote, 0), (3, Prevote, 1), (3, Precommit, 0)]
        .map(|(member, kind, round)| (group.address(member), kind, round));
    let place = |vote: &(_, _, u32)| (vote.0, vote.1 as u8, vote.2);
    votes.sort_by_key(place);
    expected.sort_by_key(place);
    assert_eq!(votes, expected);
}

#[test]
fn a_member_is_missed_until_it_is_heard_and_again_once_it_is_silent() {
    let group = Group::new(4);
    let mut machine = machine(&group);
    let others = [0, 2, 3].map(|member| group.address(member));
    assert_eq!(machine.absent(), others);
    feed(&mut machine, NOW, group.ballots([0, 2, 3], Prevote, 0, None));
    assert_eq!(machine.absent(), []);
    // One of them goes on saying what it said.
    let later = NOW.plus_ms(REBROADCAST_MS);
    feed(&mut machine, later, [group.ballot(2, Prevote, 0, None)]);
    feed(&mut machine, NOW.plus_ms(2 * REBROADCAST_MS), [Input::Fired]);
    assert_eq!(machine.absent(), [0, 3].map(|member| group.address(member)));
}

#[test]
fn waits_start_over_once_a_quorum_is_heard_again_and_not_for_one_that_is_slow() {
    let (group, round) = (Group::new(4), 8);
    // Ten seconds are the longest wait.
    for (silence_ms, grows) in [(9_000, true), (10_000, false)] {
        let mut machine = machine(&group);
        feed(&mut machine, NOW, group.ballots([0, 2], Prevote, round, None));
        assert_eq!(machine.round(), Some(round));
        let back = NOW.plus_ms(silence_ms);
        feed(&mut machine, back, [Input::Fired]);
        feed(&mut machine, back, group.ballots([0, 2], Prevote, round, None));
        // What waits longest is the time until votes are sent again.
        let mut waits = Vec::new();
        while let Some(deadline) = machine.deadline().filter(|_| waits.len() < 4) {
            waits.push((deadline.0 - back.0) / 1_000_000);
            feed(&mut machine, deadline, [Input::Fired]);
        }
        let grown = u64::from(round) * GROWTH_MS;
        let expected = if grows { REBROADCAST_MS + grown } else { REBROADCAST_MS };
        assert!(waits.contains(&expected), "after {silence_ms} ms of silence: {waits:?}");
    }
}
