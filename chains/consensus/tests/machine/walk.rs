//! Any sequence of inputs, crashes and restores: no validator contradicts itself or its lock.

use crate::group::value;
use crate::subject::{Loss, Subject};
use catenary_consensus::{
    Input, Mark, Message, Origin, Peer, Proposal, SignedProposal, SignedStep, ValueId, Verdict, Vote,
};
use catenary_types::{VoteKind, VoteKind::*};
use proptest::prelude::*;

/// A value, relative to the round at which the validator stands.
#[derive(Clone, Copy, Debug)]
enum Pick {
    Nil,
    /// The block of the round that many rounds ago.
    Block {
        ago: u32,
    },
    /// Another block of its leader.
    Twin {
        ago: u32,
    },
}

/// One thing that happens. Rounds are relative, too.
#[derive(Clone, Debug)]
enum Act {
    /// The leader proposes, and the body comes before or after.
    Offer {
        pick: Pick,
        pol_ago: Option<u32>,
        body_first: bool,
    },
    /// One member votes, or all others do.
    Vote {
        kind: VoteKind,
        ago: u32,
        pick: Pick,
        members: Vec<usize>,
    },
    /// This node has built what it was asked for.
    Answer,
    Fire,
    Flush,
    Greet,
    BackUp,
    BeginAgain,
    Raise {
        ahead: u32,
        step: SignedStep,
    },
    Crash {
        tail: usize,
        loss: Loss,
    },
}

fn pick() -> impl Strategy<Value = Pick> {
    prop_oneof![
        2 => Just(Pick::Nil),
        6 => prop_oneof![4 => Just(0u32), 2 => Just(1), 1 => Just(2)].prop_map(|ago| Pick::Block { ago }),
        2 => (0u32..2).prop_map(|ago| Pick::Twin { ago }),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let kind = || prop_oneof![Just(Prevote), Just(Precommit)];
    let members = prop_oneof![
        2 => (0usize..4).prop_map(|member| vec![member]),
        2 => proptest::sample::subsequence(vec![0usize, 1, 2, 3], 2..4),
        1 => Just(vec![0, 1, 2, 3]),
    ];
    let steps = [SignedStep::Proposal, SignedStep::Prevote, SignedStep::Precommit];
    let losses = [Loss::Guard, Loss::Journal, Loss::OldGuard, Loss::OldJournal, Loss::Both];
    let loss = prop_oneof![4 => Just(Loss::Nothing), 1 => proptest::sample::select(losses.to_vec())];
    prop_oneof![
        24 => (pick(), proptest::option::weighted(0.3, 1u32..3), any::<bool>())
            .prop_map(|(pick, pol_ago, body_first)| Act::Offer { pick, pol_ago, body_first }),
        60 => (kind(), prop_oneof![6 => Just(0u32), 1 => Just(1)], pick(), members)
            .prop_map(|(kind, ago, pick, members)| Act::Vote { kind, ago, pick, members }),
        8 => Just(Act::Answer),
        24 => Just(Act::Fire),
        30 => Just(Act::Flush),
        3 => Just(Act::Greet),
        3 => Just(Act::BackUp),
        3 => Just(Act::BeginAgain),
        1 => (0u32..2, proptest::sample::select(steps.to_vec()))
            .prop_map(|(ahead, step)| Act::Raise { ahead, step }),
        8 => (0usize..=100, loss).prop_map(|(tail, loss)| Act::Crash { tail, loss }),
    ]
}

/// The value of a pick, and who leads the round that it is of.
fn resolve(subject: &Subject, pick: Pick) -> Option<(ValueId, usize)> {
    let (ago, name) = match pick {
        Pick::Nil => return None,
        Pick::Block { ago } => (ago, "block"),
        Pick::Twin { ago } => (ago, "twin"),
    };
    let round = subject.round().saturating_sub(ago);
    Some((value(&format!("{name} {} {round}", subject.height().0)), round as usize % 4))
}

fn offer(subject: &mut Subject, pick: Pick, pol_ago: Option<u32>, body_first: bool) {
    let Some((value, builder)) = resolve(subject, pick) else { return };
    let (height, round) = (subject.height(), subject.round());
    let leader = round as usize % 4;
    let body = Input::Verdict {
        height,
        value,
        builder: subject.group.address(builder),
        verdict: Verdict::Valid,
        origin: Origin::Consensus,
    };
    if body_first {
        subject.input(body.clone());
    }
    if leader != subject.me {
        let pol_round = pol_ago.and_then(|ago| round.checked_sub(ago));
        let proposer = subject.group.address(leader);
        let proposal = Proposal { height, round, pol_round, value, proposer };
        let bytes = proposal.sign_bytes(&subject.group.chain_id);
        let signature = subject.group.key(leader).sign(&bytes);
        subject.hear(Message::Proposal(SignedProposal { proposal, signature }));
    }
    if !body_first {
        subject.input(body);
    }
}

fn vote(subject: &mut Subject, kind: VoteKind, ago: u32, pick: Pick, members: &[usize]) {
    let value = resolve(subject, pick).map(|(value, _)| value);
    let (height, round) = (subject.height(), subject.round().saturating_sub(ago));
    let me = subject.me;
    for member in members.iter().filter(|member| **member != me) {
        let vote = Vote { kind, height, round, value, validator: subject.group.address(*member) };
        subject.hear(Message::Vote(subject.group.sign(*member, vote)));
    }
}

fn run(me: usize, acts: &[Act]) -> Subject {
    let mut subject = Subject::new(me);
    for (number, act) in acts.iter().enumerate() {
        match act.clone() {
            Act::Offer { pick, pol_ago, body_first } => offer(&mut subject, pick, pol_ago, body_first),
            Act::Vote { kind, ago, pick, members } => vote(&mut subject, kind, ago, pick, &members),
            Act::Answer => {
                if let Some((height, round)) = subject.build.take() {
                    let value = value(&format!("own {number}"));
                    subject.input(Input::Propose { height, round, value });
                }
            }
            Act::Fire => subject.fire(),
            Act::Flush => subject.flush(),
            Act::Greet => subject.input(Input::Greet(Peer(1))),
            Act::BackUp => subject.back_up(),
            Act::BeginAgain => subject.begin_again(),
            Act::Raise { ahead, step } => {
                let round = subject.round() + ahead;
                let mark = Mark::new(subject.height(), round, step, b"signed elsewhere");
                subject.input(Input::Raise(mark));
            }
            Act::Crash { tail, loss } => subject.crash(tail, loss),
        }
    }
    subject.flush();
    subject
}

proptest! {
    #[test]
    fn no_sequence_of_inputs_crashes_and_restores_makes_a_validator_contradict_itself_or_its_lock(
        me in 0usize..4,
        acts in proptest::collection::vec(act(), 1..250),
    ) {
        run(me, &acts);
    }
}

#[test]
fn the_walks_reach_locks() {
    // What the property says of locks would be empty otherwise.
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = proptest::collection::vec(act(), 250);
    let (mut heights, mut locks, mut rounds) = (0, 0, 0);
    for _ in 0..64 {
        let subject = run(3, &strategy.new_tree(&mut runner).unwrap().current());
        heights += subject.height().0 - 1;
        locks += subject.locks;
        rounds += subject.later_rounds;
    }
    assert!(
        heights > 32 && locks > 32 && rounds > 32,
        "{heights} heights, {locks} locks, {rounds} votes in later rounds"
    );
}
