//! What a member signs and decides, step by step.

use catenary_consensus::{
    AbstainReason, Decision, Effect as GroupEffect, Error, Input as GroupInput, LocalCache, Mark, Message,
    Peer, SignedStep, SignedVote, Signer, Start, StartHeight, TimelinessParameters, Timeouts, ValueId,
    Verdict, Vote, Voting,
    journal::Origin,
    raft::{Effect, Input, Member, Step},
};
use catenary_crypto::{Hash, SigningKey};
use catenary_types::{Address, ChainId, Height, Parameters, Timestamp, Validator, ValidatorSet, VoteKind};
use std::sync::Arc;

const NOW: Timestamp = Timestamp(1_000_000_000_000);

fn chain_id() -> ChainId {
    "bank-0123456789abcdef-1".parse().unwrap()
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number; 32])
}

fn address(number: u8) -> Address {
    Address::of(&key(number).public_key())
}

fn set() -> Arc<ValidatorSet> {
    let validator = |number| Validator { public_key: key(number).public_key(), power: 10 };
    Arc::new(ValidatorSet::new((1..=3).map(validator).collect()).unwrap())
}

fn value(number: u8) -> ValueId {
    ValueId { block: Hash([number; 32]), time: Timestamp(u64::from(number)) }
}

/// Member 1, with this mark in its guard.
fn member(mark: Option<Mark>) -> Member {
    let signer = Signer::new(key(1), mark);
    let cache = Box::new(LocalCache::default());
    Member::new(chain_id(), Some(signer), cache, Parameters::for_raft_group_of(3), None)
}

fn start(height: u64, start: Start) -> Input {
    Input::Group(GroupInput::StartHeight(StartHeight {
        height: Height(height),
        validators: set(),
        first_leader: 0,
        last_time: Timestamp(0),
        timeliness: TimelinessParameters { precision_ms: 500, delay_ms: 4_000 },
        timeouts: Timeouts::default(),
        voting: Voting::Vote,
        start,
        replay: Vec::new(),
    }))
}

fn applied(height: u64, last_block: Option<u8>, number: u8) -> Input {
    let last_block = last_block.map(|number| value(number).block);
    Input::Applied { height: Height(height), last_block, value: value(number) }
}

fn verdict(height: u64, number: u8, verdict: Verdict) -> Input {
    Input::Group(GroupInput::Verdict {
        height: Height(height),
        value: value(number),
        builder: address(2),
        verdict,
        origin: Origin::Consensus,
    })
}

/// A precommit of a member.
fn precommit(validator: u8, height: u64, number: u8) -> SignedVote {
    let vote = Vote {
        height: Height(height),
        kind: VoteKind::Precommit,
        round: 0,
        value: Some(value(number)),
        validator: address(validator),
    };
    let signature = key(validator).sign(&vote.sign_bytes(&chain_id(), Timestamp(0)));
    SignedVote { vote, signature }
}

fn told(vote: SignedVote) -> Input {
    Input::Group(GroupInput::Message { peer: Peer(2), message: Message::Vote(vote) })
}

fn published(step: &Step) -> Vec<SignedVote> {
    let votes = step.durable.iter().filter_map(|effect| match effect {
        GroupEffect::Publish(Message::Vote(vote)) => Some(*vote),
        _ => None,
    });
    votes.collect()
}

fn decision(step: &Step) -> Option<&Decision> {
    step.durable.iter().find_map(|effect| match effect {
        GroupEffect::Decide(decision) => Some(decision),
        _ => None,
    })
}

fn builds(step: &Step) -> bool {
    step.now.iter().any(|effect| matches!(effect, Effect::Group(GroupEffect::Build { .. })))
}

#[test]
fn a_member_signs_what_is_applied_and_judged_and_a_majority_decides() {
    let mut member = member(None);
    assert_eq!(member.step(NOW, start(1, Start::WhenNeeded)), Step::default());
    let step = member.step(NOW, applied(1, None, 7));
    assert_eq!(step.now, [Effect::Check(value(7))]);
    assert!(step.durable.is_empty(), "nothing is signed unseen");
    let step = member.step(NOW, verdict(1, 7, Verdict::Valid));
    assert_eq!(published(&step), [precommit(1, 1, 7)]);
    assert_eq!((step.journal.len(), step.mark.map(|mark| mark.height)), (1, Some(Height(1))));
    assert!(decision(&step).is_none(), "one of three");
    let step = member.step(NOW, told(precommit(2, 1, 7)));
    let decision = decision(&step).unwrap();
    assert_eq!((decision.value, decision.certificate.round), (value(7), 0));
    let verified =
        |parameters: Parameters| decision.certificate.verify(&chain_id(), &set(), &parameters, value(7).time);
    assert_eq!(verified(Parameters::for_raft_group_of(3)), Ok(()));
    assert!(verified(Parameters::for_group_of(3)).is_err(), "two of three are not more than two thirds");
}

#[test]
fn an_entry_that_does_not_extend_the_last_applied_block_is_skipped() {
    let mut member = member(None);
    member.step(NOW, start(1, Start::WhenNeeded));
    member.step(NOW, applied(1, None, 7));
    // A deposed leader's block of the same height comes later in the log, and one on top of nothing.
    for skipped in [applied(1, None, 8), applied(2, Some(8), 9)] {
        assert_eq!(member.step(NOW, skipped), Step::default());
    }
    assert_eq!(published(&member.step(NOW, verdict(1, 8, Verdict::Valid))), []);
    member.step(NOW, verdict(1, 7, Verdict::Valid));
    assert!(decision(&member.step(NOW, told(precommit(3, 1, 7)))).is_some());
    let step = member.step(NOW, start(2, Start::WhenNeeded));
    assert!(step.now.is_empty(), "block 9 extends block 8, which is none");
    assert_eq!(member.step(NOW, applied(2, Some(7), 6)).now, [Effect::Check(value(6))]);
}

#[test]
fn a_leader_builds_when_it_is_ready_awake_and_nothing_of_the_log_waits() {
    let mut member = member(None);
    assert!(!builds(&member.step(NOW, start(1, Start::Now))), "it does not lead");
    assert!(builds(&member.step(NOW, Input::Leads(true))));
    assert!(!builds(&member.step(NOW, Input::Group(GroupInput::Wake))), "it was asked");
    let propose = || GroupInput::Propose { height: Height(1), round: 0, value: value(7) };
    assert_eq!(member.step(NOW, Input::Group(propose())).now, [Effect::Write(value(7))]);
    assert_eq!(member.step(NOW, Input::Group(propose())).now, [], "once");
    // What it wrote may be lost with its term.
    member.step(NOW, Input::Leads(false));
    assert_eq!(member.step(NOW, Input::Group(propose())).now, []);
    assert!(builds(&member.step(NOW, Input::Leads(true))));
    // Or it was committed after all: then it is the height's.
    let step = member.step(NOW, applied(1, None, 7));
    assert_eq!(published(&step), [precommit(1, 1, 7)], "whoever built it need not judge it");
    member.step(NOW, Input::Leads(false));
    assert!(!builds(&member.step(NOW, Input::Leads(true))), "the height has its block");
    member.step(NOW, told(precommit(2, 1, 7)));
    assert!(!builds(&member.step(NOW, start(2, Start::WhenNeeded))), "an idle group builds nothing");
    assert!(builds(&member.step(NOW, Input::Group(GroupInput::Wake))));
}

#[test]
fn an_invalid_block_of_the_log_stops_the_member() {
    let mut member = member(None);
    member.step(NOW, start(1, Start::WhenNeeded));
    member.step(NOW, applied(1, None, 7));
    let step = member.step(NOW, verdict(1, 7, Verdict::Invalid));
    let error = Error::CertifiedInvalid { height: Height(1), value: value(7) };
    assert_eq!(step.now, [Effect::Group(GroupEffect::Halt(error))]);
    assert!(step.durable.is_empty() && step.mark.is_none());
}

#[test]
fn the_guard_lets_nobody_sign_another_header_of_a_height() {
    let signed = precommit(1, 1, 8).vote.sign_bytes(&chain_id(), Timestamp(0));
    let mark = Mark::new(Height(1), 0, SignedStep::Precommit, &signed);
    let mut member = member(Some(mark));
    member.step(NOW, start(1, Start::WhenNeeded));
    member.step(NOW, applied(1, None, 7));
    let step = member.step(NOW, verdict(1, 7, Verdict::Valid));
    assert_eq!(published(&step), []);
    let refused = |effect: &Effect| {
        matches!(effect, Effect::Group(GroupEffect::Abstain { reason: AbstainReason::Refused(_), .. }))
    };
    assert!(step.now.iter().any(refused), "{step:?}");
    // The others decide it all the same.
    member.step(NOW, told(precommit(2, 1, 7)));
    assert!(decision(&member.step(NOW, told(precommit(3, 1, 7)))).is_some());
}

#[test]
fn an_own_signature_that_is_not_remembered_ends_the_membership() {
    let mut member = member(None);
    member.step(NOW, start(1, Start::Now));
    member.step(NOW, Input::Leads(true));
    let step = member.step(NOW, told(precommit(1, 1, 8)));
    assert_eq!(step.mark, Some(Mark::forgotten(Height(1))));
    let forgotten = |effect: &Effect| {
        matches!(effect, Effect::Group(GroupEffect::Abstain { reason: AbstainReason::Forgotten(_), .. }))
    };
    assert!(step.now.iter().any(forgotten), "{step:?}");
    member.step(NOW, applied(1, None, 7));
    assert_eq!(published(&member.step(NOW, verdict(1, 7, Verdict::Valid))), []);
}

#[test]
fn votes_that_do_not_verify_or_come_early_count_in_their_time_or_never() {
    let mut member = member(None);
    member.step(NOW, start(1, Start::WhenNeeded));
    let mut forged = precommit(2, 1, 7);
    forged.signature.0[0] ^= 1;
    member.step(NOW, told(forged));
    let mut prevote = precommit(3, 1, 7);
    prevote.vote.kind = VoteKind::Prevote;
    member.step(NOW, told(prevote));
    let early = member.step(NOW, told(precommit(2, 2, 6)));
    assert_eq!(early.now, [Effect::Group(GroupEffect::Ahead { peer: Peer(2), height: Height(2) })]);
    member.step(NOW, applied(1, None, 7));
    assert!(decision(&member.step(NOW, verdict(1, 7, Verdict::Valid))).is_none());
    assert!(decision(&member.step(NOW, told(precommit(3, 1, 7)))).is_some());
    member.step(NOW, start(2, Start::WhenNeeded));
    member.step(NOW, applied(2, Some(7), 6));
    assert!(decision(&member.step(NOW, verdict(2, 6, Verdict::Valid))).is_some(), "the early one counts now");
}

#[test]
fn an_observer_decides_by_a_fetched_certificate_that_verifies() {
    let mut deciding = member(None);
    deciding.step(NOW, start(1, Start::WhenNeeded));
    deciding.step(NOW, applied(1, None, 7));
    deciding.step(NOW, verdict(1, 7, Verdict::Valid));
    let certificate = decision(&deciding.step(NOW, told(precommit(2, 1, 7)))).unwrap().certificate.clone();
    let cache = Box::new(LocalCache::default());
    let mut observer = Member::new(chain_id(), None, cache, Parameters::for_raft_group_of(3), None);
    observer.step(NOW, start(1, Start::WhenNeeded));
    let fetched = |certificate| GroupInput::Synced { peer: Peer(2), certificate, time: value(7).time };
    let mut poor = certificate.clone();
    poor.signatures[0] = catenary_types::CommitSignature::Absent;
    poor.signatures[1] = catenary_types::CommitSignature::Absent;
    let refused = observer.step(NOW, Input::Group(fetched(poor)));
    assert!(matches!(refused.now[..], [Effect::Group(GroupEffect::SyncRefused { .. })]), "{refused:?}");
    let asked = observer.step(NOW, Input::Group(fetched(certificate)));
    let judge = GroupEffect::JudgeSynced { height: Height(1), value: value(7) };
    assert_eq!(asked.now, [Effect::Group(judge)]);
    let step = observer.step(NOW, verdict(1, 7, Verdict::Valid));
    assert!(decision(&step).is_some() && published(&step).is_empty());
}

#[test]
fn what_is_not_decided_is_told_again() {
    let mut member = member(None);
    member.step(NOW, start(1, Start::WhenNeeded));
    assert_eq!(member.deadline(), None, "an idle group waits for nothing");
    member.step(NOW, applied(1, None, 7));
    member.step(NOW, verdict(1, 7, Verdict::Valid));
    let due = member.deadline().unwrap();
    assert_eq!(
        member.absent(),
        set().addresses().iter().copied().filter(|one| *one != address(1)).collect::<Vec<_>>()
    );
    assert_eq!(published(&member.step(due, Input::Group(GroupInput::Fired))), [precommit(1, 1, 7)]);
    assert!(member.deadline().unwrap() > due);
}
