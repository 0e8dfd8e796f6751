//! The lock: what a validator precommitted binds it over a crash, until a newer quorum says otherwise.

use crate::group::{Group, NOW, feed, message, value, verdict};
use catenary_consensus::journal::Entry;
use catenary_consensus::{
    Consensus, Input, Message, Origin, Record, Start, StartHeight, TimelinessParameters, ValueId, Verdict,
};
use catenary_types::{Timestamp, VoteKind::*};

const ME: usize = 3;

fn proposed(group: &Group, leader: usize, round: u32, pol_round: Option<u32>, value: ValueId) -> [Input; 2] {
    let proposal = group.reproposal(leader, round, pol_round, value);
    let judged = verdict(group, value, leader, Verdict::Valid, Origin::Consensus);
    [message(Message::Proposal(proposal)), judged]
}

/// The journal of a validator that has just precommitted "locked" in round 0.
fn journal_of_a_precommit(group: &Group) -> Vec<Record> {
    let (mut machine, first) = group.machine(ME, None, group.start(Start::Now));
    let locked = Some(value("locked"));
    let mut inputs = proposed(group, 0, 0, None, value("locked")).to_vec();
    inputs.extend(group.ballots([0, 1], Prevote, 0, locked));
    let mut journal = first.journal;
    let mut last = None;
    for input in inputs {
        let step = machine.step(NOW, input);
        last = crate::group::votes(&step).last().copied().or(last);
        journal.extend(step.journal);
    }
    assert_eq!(last.map(|vote| (vote.kind, vote.value)), Some((Precommit, locked)), "it locked");
    journal
}

/// Restarts from a journal with an empty signature cache, and lets round 0 fail.
fn restarted_in_round_1(group: &Group, replay: Vec<Record>) -> (Consensus, Timestamp) {
    let start = StartHeight { replay, ..group.start(Start::Now) };
    let (mut machine, _) = group.machine(ME, None, start);
    feed(&mut machine, NOW, group.ballots(0..3, Precommit, 0, None));
    let mut now = NOW;
    while machine.round() == Some(0) {
        now = machine.deadline().unwrap();
        feed(&mut machine, now, [Input::Fired]);
    }
    assert_eq!(machine.round(), Some(1));
    (machine, now)
}

#[test]
fn killed_after_its_precommit_it_prevotes_its_locked_value_and_nothing_else() {
    let group = Group::new(4);
    let journal = journal_of_a_precommit(&group);
    let (locked, other) = (value("locked"), value("other"));
    for (offered, pol_round, expected) in [(other, None, None), (locked, Some(0), Some(locked))] {
        let (mut machine, now) = restarted_in_round_1(&group, journal.clone());
        let said = feed(&mut machine, now, proposed(&group, 1, 1, pol_round, offered));
        assert_eq!(said, [(Prevote, 1, expected)]);
    }
    // Nor does it prevote anything when nothing is offered.
    let (mut machine, _) = restarted_in_round_1(&group, journal);
    let later = machine.deadline().unwrap();
    assert_eq!(feed(&mut machine, later, [Input::Fired]), [(Prevote, 1, None)]);
}

#[test]
fn a_newer_polka_and_no_older_one_releases_the_lock() {
    let group = Group::new(4);
    let other = value("other");
    let (mut machine, now) = restarted_in_round_1(&group, journal_of_a_precommit(&group));
    let mut said = feed(&mut machine, now, proposed(&group, 1, 1, None, other));
    // A quorum without this node prevotes the other value: it follows with its precommit, and in round 2 with its prevote.
    said.extend(feed(&mut machine, now, group.ballots(0..3, Prevote, 1, Some(other))));
    said.extend(feed(&mut machine, now, group.ballots(0..3, Precommit, 1, None)));
    let later = machine.deadline().unwrap();
    said.extend(feed(&mut machine, later, [Input::Fired]));
    let [again, judged] = proposed(&group, 2, 2, Some(1), other);
    said.extend(feed(&mut machine, later, [again, judged]));
    assert_eq!(said, [(Prevote, 1, None), (Precommit, 1, Some(other)), (Prevote, 2, Some(other))]);
}

#[test]
fn without_the_received_votes_the_lock_would_be_forgotten() {
    // Why the journal holds what others voted: own records alone do not say what they were locked on.
    let group = Group::new(4);
    let own = |record: &Record| match Entry::read(record) {
        Ok(Entry::Vote(signed)) => signed.vote.validator == group.address(ME),
        _ => true,
    };
    let journal = journal_of_a_precommit(&group).into_iter().filter(own).collect();
    let (mut machine, now) = restarted_in_round_1(&group, journal);
    let said = feed(&mut machine, now, proposed(&group, 1, 1, None, value("other")));
    assert_eq!(said, [(Prevote, 1, Some(value("other")))]);
}

#[test]
fn what_came_too_late_is_refused_and_precommitted_once_a_quorum_prevotes_it() {
    let group = Group::new(4);
    let TimelinessParameters { precision_ms, delay_ms } = TimelinessParameters::default();
    let late = NOW.plus_ms(precision_ms + delay_ms + 1);
    let (mut machine, _) = group.machine(ME, None, group.start(Start::WhenNeeded));
    feed(&mut machine, late, [Input::Wake]);
    let block = Some(value("block"));
    let said = feed(&mut machine, late, proposed(&group, 0, 0, None, value("block")));
    assert_eq!(said, [(Prevote, 0, None)]);
    let said = feed(&mut machine, late, group.ballots(0..3, Prevote, 0, block));
    assert_eq!(said, [(Precommit, 0, block)]);
}
