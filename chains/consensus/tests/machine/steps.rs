//! Step by step: sleeping, waking, restarting, syncing, refusing.

use crate::group::{Group, LAST, NOW, PEER, asks_to_build, decision, message, value, verdict, votes};
use catenary_consensus::journal::Entry;
use catenary_consensus::{
    AbstainReason, Consensus, Effect, Error, Input, LocalCache, Mark, Message, Origin, Proposal, Record,
    SignedProposal, SignedStep, Start, StartHeight, Step, Timeouts, Verdict,
};
use catenary_types::{Certificate, CommitSignature, Height, VoteKind};

#[test]
fn a_group_of_one_decides_in_the_step_that_proposes() {
    let group = Group::new(1);
    let (mut machine, step) = group.machine(0, None, group.start(Start::Now));
    assert!(asks_to_build(&step));
    let step = machine.step(NOW, Input::Propose { height: Height(1), round: 0, value: value("block") });
    machine.check_invariants();
    let decision = decision(&step).expect("one is a quorum of one");
    assert_eq!(decision.certificate, group.certificate(value("block"), &[0]));
    assert!(matches!(step.durable.last(), Some(Effect::Decide(_))), "publishing comes before committing");
    assert_eq!(step.mark.map(|mark| mark.step), Some(SignedStep::Precommit));
    assert_eq!(step.journal.len(), 4, "value, proposal, prevote, precommit: one flush for all");
    assert_eq!(machine.deadline(), None);
}

#[test]
fn an_idle_height_sleeps_until_there_is_work() {
    let group = Group::new(1);
    let (mut machine, step) = group.machine(0, None, group.start(Start::WhenNeeded));
    assert_eq!((step, machine.deadline()), (Step::default(), None));
    let step = machine.step(NOW, Input::Wake);
    assert!(asks_to_build(&step));
    assert!(machine.deadline().is_some());
    // The work went away before a block was built: the height sleeps again, its timers with it.
    machine.step(NOW, Input::Rest);
    assert_eq!(machine.deadline(), None);
    let later = NOW.plus_ms(3_600_000);
    assert_eq!(machine.step(later, Input::Fired), Step::default());
    machine.step(later, Input::Wake);
    assert_eq!(machine.deadline(), Some(later.plus_ms(Timeouts::default().propose_ms)));
}

#[test]
fn more_than_a_third_of_the_power_wakes_and_strangers_do_not() {
    let group = Group::new(4);
    let (mut machine, _) = group.machine(3, None, group.start(Start::WhenNeeded));
    let prevote = |index| Message::Vote(group.vote(index, VoteKind::Prevote, 1, None));
    machine.step(NOW, message(prevote(1)));
    let mut forged = group.vote(2, VoteKind::Prevote, 1, None);
    forged.signature.0[0] ^= 1;
    machine.step(NOW, message(Message::Vote(forged)));
    machine.step(NOW, message(prevote(1)));
    assert_eq!((machine.round(), machine.deadline()), (None, None), "one of four, however often");
    let step = machine.step(NOW, message(prevote(2)));
    assert_eq!(machine.round(), Some(0));
    let recorded = step.journal.iter().filter(|record| matches!(Entry::read(record), Ok(Entry::Vote(_))));
    assert_eq!(recorded.count(), 2, "what waited is taken up");
    machine.check_invariants();
}

/// Everything that node 3 of four consumes and signs until it decides, with node 0 leading.
fn journal_of_a_decision(group: &Group) -> (Vec<Record>, Vec<Step>) {
    let block = Some(value("block"));
    let (mut machine, first) = group.machine(3, None, group.start(Start::Now));
    let mut inputs = vec![
        message(Message::Proposal(group.proposal(0, 0, value("block")))),
        verdict(group, value("block"), 0, Verdict::Valid, Origin::Consensus),
    ];
    for kind in [VoteKind::Prevote, VoteKind::Precommit] {
        inputs.extend((0..2).map(|index| message(Message::Vote(group.vote(index, kind, 1, block)))));
    }
    let mut steps = vec![first];
    for input in inputs {
        steps.push(machine.step(NOW, input));
        machine.check_invariants();
    }
    assert!(decision(steps.last().unwrap()).is_some());
    (steps.iter().flat_map(|step| step.journal.clone()).collect(), steps)
}

#[test]
fn every_prefix_of_a_journal_leads_back_to_where_it_ends() {
    let group = Group::new(4);
    let (journal, steps) = journal_of_a_decision(&group);
    let said: Vec<_> = steps.iter().flat_map(votes).collect();
    assert_eq!((journal.len(), said.len()), (8, 2));
    for length in 0..=journal.len() {
        let start = StartHeight { replay: journal[..length].to_vec(), ..group.start(Start::Now) };
        let (machine, step) = group.machine(3, None, start);
        machine.check_invariants();
        // What is on record is not recorded again, own votes are sent again, and nothing else is said.
        assert!(step.journal.iter().all(|record| !journal[..length].contains(record)));
        assert!(votes(&step).iter().all(|vote| said.contains(vote)));
        let own = |record: &Record| matches!(Entry::read(record), Ok(Entry::Vote(signed)) if signed.vote.validator == group.address(3));
        let recorded = journal[..length].iter().filter(|record| own(record)).count();
        assert!(votes(&step).len() >= recorded, "an own vote was not sent again");
        assert_eq!(decision(&step).is_some(), length == journal.len());
    }
}

#[test]
fn a_journal_replayed_twice_says_the_same() {
    let group = Group::new(4);
    let (journal, _) = journal_of_a_decision(&group);
    let start = StartHeight { replay: journal, ..group.start(Start::Now) };
    let (machine, first) = group.machine(3, None, start.clone());
    let mark = machine.mark();
    assert_eq!(first.mark, mark, "the guard's file was behind and learns of it");
    let (_, second) = group.machine(3, mark, start);
    assert_eq!(second, Step { mark: None, ..first });
    assert_eq!(second.journal, [], "nothing new was recorded");
}

#[test]
fn a_record_that_does_not_read_stops_the_machine() {
    let group = Group::new(1);
    let replay = vec![Record { height: Height(1), bytes: vec![99] }];
    let (mut machine, step) = group.machine(0, None, StartHeight { replay, ..group.start(Start::Now) });
    assert!(matches!(step.now[..], [Effect::Halt(Error::Record { index: 0, .. })]));
    assert_eq!(machine.step(NOW, Input::Wake), Step::default());
}

#[test]
fn what_the_guard_refuses_is_not_signed_and_the_height_is_followed() {
    let group = Group::new(4);
    let other = group.vote(3, VoteKind::Prevote, 1, Some(value("other")));
    let bytes = other.vote.sign_bytes(&group.chain_id, LAST);
    let mark = Mark::new(Height(1), 0, SignedStep::Prevote, &bytes);
    let (mut machine, _) = group.machine(3, None, group.start(Start::Now));
    assert_eq!(machine.step(NOW, Input::Raise(mark)).mark, Some(mark));
    machine.step(NOW, message(Message::Proposal(group.proposal(0, 0, value("block")))));
    let step = machine.step(NOW, verdict(&group, value("block"), 0, Verdict::Valid, Origin::Consensus));
    let refused = |effect: &Effect| matches!(effect, Effect::Abstain { reason: AbstainReason::Refused(refusal), .. } if refusal.signed == mark);
    assert!(step.now.iter().any(refused));
    assert_eq!((votes(&step), step.mark), (Vec::new(), None));
    // It still decides with the others.
    let precommit =
        |index| message(Message::Vote(group.vote(index, VoteKind::Precommit, 1, Some(value("block")))));
    let mut last = Step::default();
    for index in 0..3 {
        last = machine.step(NOW, precommit(index));
        machine.check_invariants();
    }
    let decision = decision(&last).expect("three of four");
    assert_eq!(decision.certificate, group.certificate(value("block"), &[0, 1, 2]));
}

#[test]
fn a_height_of_which_the_guard_knows_more_than_the_journal_is_followed() {
    let group = Group::new(4);
    let bytes =
        group.vote(3, VoteKind::Prevote, 1, Some(value("lost"))).vote.sign_bytes(&group.chain_id, LAST);
    for height in [1, 2] {
        let mark = Mark::new(Height(height), 0, SignedStep::Prevote, &bytes);
        let (mut machine, step) = group.machine(3, Some(mark), group.start(Start::Now));
        let reason = AbstainReason::Unremembered(mark);
        let told = step.now.contains(&Effect::Abstain { height: Height(1), reason });
        assert_eq!(told, height == 1, "below its mark a validator has nothing to tell: {:?}", step.now);
        machine.step(NOW, message(Message::Proposal(group.proposal(0, 0, value("block")))));
        let step = machine.step(NOW, verdict(&group, value("block"), 0, Verdict::Valid, Origin::Consensus));
        assert_eq!(votes(&step), [], "a later round would be open to it, but its lock is lost");
    }
}

#[test]
fn an_own_vote_that_is_not_remembered_ends_the_voting() {
    let group = Group::new(4);
    let (mut machine, _) = group.machine(3, None, group.start(Start::Now));
    let lost = group.vote(3, VoteKind::Prevote, 1, Some(value("block")));
    let step = machine.step(NOW, message(Message::Vote(lost)));
    let abstains =
        |effect: &Effect| matches!(effect, Effect::Abstain { reason: AbstainReason::Forgotten(_), .. });
    assert!(step.now.iter().any(abstains));
    assert_eq!(step.mark, machine.mark());
    assert!(step.mark.is_some(), "the guard's file learns of it");
    let later = machine.deadline().unwrap();
    assert_eq!(votes(&machine.step(later, Input::Fired)), Vec::new());
    // A forged one does nothing.
    let (mut machine, _) = group.machine(3, None, group.start(Start::Now));
    let mut forged = lost;
    forged.signature.0[0] ^= 1;
    assert_eq!(machine.step(NOW, message(Message::Vote(forged))), Step::default());
}

#[test]
fn a_certificate_from_a_peer_decides_and_a_bad_one_names_the_peer() {
    let group = Group::new(4);
    let synced = |certificate| Input::Synced { peer: PEER, certificate, time: NOW };
    let good = group.certificate(value("block"), &[0, 1, 2]);
    let too_few = group.certificate(value("block"), &[0, 1]);
    let mut forged = good.clone();
    let mut shuffled = good.clone();
    shuffled.signatures.swap(0, 3);
    if let CommitSignature::Commit { signature, .. } = &mut forged.signatures[1] {
        signature.0[5] ^= 1;
    }
    let high_round = Certificate { round: u32::MAX, ..good.clone() };
    for start in [Start::Now, Start::WhenNeeded] {
        let (mut machine, _) = group.machine(3, None, group.start(start));
        for bad in [too_few.clone(), forged.clone(), shuffled.clone(), high_round.clone()] {
            let step = machine.step(NOW, synced(bad));
            let refused = |effect: &Effect| matches!(effect, Effect::SyncRefused { peer: PEER, .. });
            assert!(step.now.iter().any(refused), "{step:?}");
        }
        let step = machine.step(NOW, synced(good.clone()));
        let judge = Effect::JudgeSynced { height: Height(1), value: value("block") };
        assert!(step.now.contains(&judge));
        let step = machine.step(NOW, verdict(&group, value("block"), 0, Verdict::Valid, Origin::Sync));
        machine.check_invariants();
        assert_eq!(decision(&step).map(|decision| &decision.certificate), Some(&good));
    }
}

#[test]
fn a_quorum_for_an_invalid_block_stops_the_machine() {
    let group = Group::new(4);
    let (mut machine, _) = group.machine(3, None, group.start(Start::Now));
    machine.step(NOW, message(Message::Proposal(group.proposal(0, 0, value("block")))));
    machine.step(NOW, verdict(&group, value("block"), 0, Verdict::Invalid, Origin::Consensus));
    let precommit =
        |index| message(Message::Vote(group.vote(index, VoteKind::Precommit, 1, Some(value("block")))));
    let steps: Vec<_> = (0..3).map(|index| machine.step(NOW, precommit(index))).collect();
    let halted = Effect::Halt(Error::CertifiedInvalid { height: Height(1), value: value("block") });
    assert!(steps[2].now.contains(&halted));
    assert!(steps.iter().all(|step| decision(step).is_none()));
}

#[test]
fn messages_of_the_next_height_wait_for_it() {
    let group = Group::new(4);
    let (mut machine, _) = group.machine(3, None, group.start(Start::Now));
    let early = Message::Vote(group.vote(0, VoteKind::Prevote, 2, None));
    let step = machine.step(NOW, message(early.clone()));
    assert_eq!(step.now, [Effect::Ahead { peer: PEER, height: Height(2) }]);
    assert_eq!(machine.step(NOW, message(early)), Step::default(), "said once");
    let next = StartHeight { height: Height(2), ..group.start(Start::Now) };
    let step = machine.step(NOW, Input::StartHeight(next));
    assert_eq!(step.journal.len(), 1, "the vote was consumed");
}

#[test]
fn rounds_beyond_the_encodings_are_ignored() {
    let group = Group::new(4);
    let (mut machine, _) = group.machine(3, None, group.start(Start::Now));
    let mut vote = group.vote(0, VoteKind::Prevote, 1, None);
    vote.vote.round = u32::MAX;
    assert_eq!(machine.step(NOW, message(Message::Vote(vote))), Step::default());
    let mut proposal = group.proposal(0, 0, value("block"));
    proposal.proposal.pol_round = Some(u32::MAX);
    assert_eq!(machine.step(NOW, message(Message::Proposal(proposal))), Step::default());
}

#[test]
fn an_old_value_is_not_proposed_again_without_pol() {
    let group = Group::new(4);
    let (mut machine, _) = group.machine(1, None, group.start(Start::Now));
    machine.step(NOW, message(Message::Proposal(group.proposal(0, 0, value("block")))));
    // Round 0 fails for want of a body; node 1 leads round 1.
    let mut now = NOW;
    while machine.round() == Some(0) {
        now = machine.deadline().unwrap();
        machine.step(now, Input::Fired);
        for kind in [VoteKind::Prevote, VoteKind::Precommit] {
            for index in [0, 2, 3] {
                machine.step(now, message(Message::Vote(group.vote(index, kind, 1, None))));
            }
        }
    }
    let propose = |value| Input::Propose { height: Height(1), round: 1, value };
    assert_eq!(machine.step(now, propose(value("block"))), Step::default());
    let step = machine.step(now, propose(value("a new block")));
    assert!(step.durable.iter().any(|effect| matches!(effect, Effect::Publish(Message::Proposal(_)))));
}

#[test]
fn an_observer_decides_and_signs_nothing() {
    let group = Group::new(4);
    let cache = Box::new(LocalCache::default());
    let (mut machine, _) =
        Consensus::start(NOW, group.chain_id.clone(), None, cache, group.start(Start::Now));
    machine.step(NOW, message(Message::Proposal(group.proposal(0, 0, value("block")))));
    let mut step = machine.step(NOW, verdict(&group, value("block"), 0, Verdict::Valid, Origin::Consensus));
    for index in 0..3 {
        assert_eq!((votes(&step), step.mark), (Vec::new(), None));
        step = machine.step(
            NOW,
            message(Message::Vote(group.vote(index, VoteKind::Precommit, 1, Some(value("block"))))),
        );
    }
    assert!(decision(&step).is_some());
}

#[test]
fn a_proposal_that_waited_is_judged_by_when_it_came() {
    let group = Group::new(4);
    let (mut machine, _) = group.machine(3, None, group.start(Start::Now));
    let proposal = Proposal { height: Height(2), ..group.proposal(0, 0, value("block")).proposal };
    let signature = group.key(0).sign(&proposal.sign_bytes(&group.chain_id));
    machine.step(NOW, message(Message::Proposal(SignedProposal { proposal, signature })));
    // A minute later the height starts; the proposal had come in time.
    let later = NOW.plus_ms(60_000);
    machine.step(later, Input::StartHeight(StartHeight { height: Height(2), ..group.start(Start::Now) }));
    let builder = group.address(0);
    let (verdict, origin) = (Verdict::Valid, Origin::Consensus);
    let judged = Input::Verdict { height: Height(2), value: value("block"), builder, verdict, origin };
    let step = machine.step(later, judged);
    assert_eq!(votes(&step).first().map(|vote| vote.value), Some(Some(value("block"))));
}

#[test]
fn a_leader_that_restarts_proposes_what_it_proposed() {
    let group = Group::new(4);
    let (mut machine, _) = group.machine(0, None, group.start(Start::Now));
    let step = machine.step(NOW, Input::Propose { height: Height(1), round: 0, value: value("block") });
    let restart = |length| {
        let replay = step.journal[..length].to_vec();
        group.machine(0, None, StartHeight { replay, ..group.start(Start::Now) }).1
    };
    let said = restart(step.journal.len());
    assert!(!asks_to_build(&said), "it would build a second block for the round");
    let proposals = |effect: &&Effect| matches!(effect, Effect::Publish(Message::Proposal(_)));
    assert_eq!(votes(&said), votes(&step));
    // Nothing was signed before the proposal itself, so up to there another block may be built.
    assert!(asks_to_build(&restart(0)) && asks_to_build(&restart(1)) && !asks_to_build(&restart(2)));
    assert_eq!(step.durable.iter().filter(proposals).count(), 1);
}

#[test]
fn a_value_offered_again_without_pol_is_not_even_recorded() {
    let group = Group::new(4);
    let (mut machine, _) = group.machine(3, None, group.start(Start::Now));
    let first = machine.step(NOW, message(Message::Proposal(group.proposal(0, 0, value("block")))));
    assert_eq!(first.journal.len(), 1);
    let again = machine.step(NOW, message(Message::Proposal(group.proposal(1, 1, value("block")))));
    assert_eq!(again, Step::default());
    let other = machine.step(NOW, message(Message::Proposal(group.proposal(1, 1, value("other")))));
    assert_eq!(other.journal.len(), 1);
}

#[test]
fn a_height_at_rest_wakes_when_others_are_at_it() {
    let group = Group::new(4);
    let (mut machine, _) = group.machine(3, None, group.start(Start::Now));
    machine.step(NOW, Input::Rest);
    let later = NOW.plus_ms(3_600_000);
    machine.step(later, message(Message::Vote(group.vote(1, VoteKind::Prevote, 1, None))));
    assert_eq!(machine.deadline(), None);
    machine.step(later, message(Message::Vote(group.vote(2, VoteKind::Prevote, 1, None))));
    assert_eq!(machine.deadline(), Some(later.plus_ms(Timeouts::default().propose_ms)));
}
