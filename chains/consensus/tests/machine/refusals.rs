//! What attackers, liars and latecomers send, and what it does: nothing, or only what their one vote may do.

use crate::group::{Group, LAST, NOW, PEER, decision, feed, key, message, value, verdict, votes};
use catenary_consensus::{
    Consensus, Decision, Effect, Evidence, Input, LocalCache, Message, Origin, Proposal, SignedProposal,
    SignedVote, Signer, Start, StartHeight, Step, ValueId, Verdict, Vote,
};
use catenary_crypto::{PublicKey, Signature, VerificationItem, verify, verify_batch};
use catenary_types::{Address, Certificate, CommitSignature, Height, VoteKind, VoteKind::*};

const ME: usize = 3;

fn machine(group: &Group, start: Start) -> Consensus {
    group.machine(ME, None, group.start(start)).0
}

fn proposal(group: &Group, value: ValueId) -> Input {
    message(Message::Proposal(group.proposal(0, 0, value)))
}

fn body(group: &Group, value: ValueId, verdict_of_it: Verdict) -> Input {
    verdict(group, value, 0, verdict_of_it, Origin::Consensus)
}

fn decided(steps: &[Step]) -> Option<Decision> {
    steps.iter().find_map(decision).cloned()
}

#[test]
fn votes_proposal_and_body_decide_in_any_order() {
    let group = Group::new(4);
    let block = value("block");
    let parts = [
        group.ballots(0..3, Prevote, 0, Some(block)),
        group.ballots(0..3, Precommit, 0, Some(block)),
        vec![proposal(&group, block)],
        vec![body(&group, block, Verdict::Valid)],
    ];
    let order = |code: usize| [code / 64, code / 16 % 4, code / 4 % 4, code % 4];
    let orders: Vec<_> =
        (0..256).map(order).filter(|order| (0..4).all(|part| order.contains(&part))).collect();
    assert_eq!(orders.len(), 24);
    for order in orders {
        let mut machine = machine(&group, Start::WhenNeeded);
        let inputs = order.iter().flat_map(|part| parts[*part].clone());
        let steps: Vec<_> = inputs.map(|input| machine.step(NOW, input)).collect();
        machine.check_invariants();
        let decision = decided(&steps).unwrap_or_else(|| panic!("nothing was decided in order {order:?}"));
        assert_eq!((decision.value, decision.evidence), (block, Vec::new()));
        let said: Vec<_> = steps.iter().flat_map(votes).collect();
        assert!(said.iter().all(|vote| vote.value == Some(block)), "{order:?}: {said:?}");
    }
}

#[test]
fn a_vote_with_another_time_does_not_count_for_the_block() {
    let group = Group::new(4);
    let block = value("block");
    let elsewhen = ValueId { time: NOW.plus_ms(1), ..block };
    let mut machine = machine(&group, Start::Now);
    feed(&mut machine, NOW, [proposal(&group, block), body(&group, block, Verdict::Valid)]);
    let mut inputs = group.ballots([0, 1], Precommit, 0, Some(block));
    inputs.push(group.ballot(2, Precommit, 0, Some(elsewhen)));
    let steps: Vec<_> = inputs.into_iter().map(|input| machine.step(NOW, input)).collect();
    assert_eq!(decided(&steps), None, "two of four");
    let (mut machine, _) = group.machine(2, None, group.start(Start::Now));
    feed(&mut machine, NOW, [proposal(&group, block), body(&group, block, Verdict::Valid)]);
    // With three that agree it is decided, and the stray vote is in no certificate.
    let mut inputs = vec![group.ballot(ME, Precommit, 0, Some(elsewhen))];
    inputs.extend(group.ballots([0, 1], Prevote, 0, Some(block)));
    inputs.extend(group.ballots([0, 1], Precommit, 0, Some(block)));
    let steps: Vec<_> = inputs.into_iter().map(|input| machine.step(NOW, input)).collect();
    assert_eq!(decided(&steps).unwrap().certificate, group.certificate(block, &[0, 1, 2]));
}

#[test]
fn both_votes_of_an_equivocating_validator_come_with_the_decision() {
    let group = Group::new(4);
    let (block, other) = (value("block"), value("other"));
    for kind in [Prevote, Precommit] {
        let mut machine = machine(&group, Start::Now);
        let twice = [Some(other), Some(block)].map(|value| group.vote(2, kind, 1, value));
        let mut inputs = twice.map(|signed| message(Message::Vote(signed))).to_vec();
        inputs.extend([proposal(&group, block), body(&group, block, Verdict::Valid)]);
        inputs.extend(group.ballots([0, 1], Prevote, 0, Some(block)));
        inputs.extend(group.ballots([0, 1], Precommit, 0, Some(block)));
        let steps: Vec<_> = inputs.into_iter().map(|input| machine.step(NOW, input)).collect();
        let [first, second] = twice;
        let evidence = vec![Evidence::DoubleVote { first, second, last_time: LAST }];
        assert_eq!(decided(&steps).unwrap().evidence, evidence);
    }
}

#[test]
fn a_stale_certificate_is_refused() {
    let group = Group::new(4);
    let block = value("block");
    let good = group.certificate(block, &[0, 1, 2]);
    let synced = |certificate: &Certificate, time| {
        let certificate = certificate.clone();
        Input::Synced { peer: PEER, certificate, time }
    };
    let refuses = |machine: &mut Consensus, input| {
        let step = machine.step(NOW, input);
        let refused = |effect: &Effect| matches!(effect, Effect::SyncRefused { peer: PEER, .. });
        assert!(step.now.iter().any(refused), "{step:?}");
        assert!(step.durable.is_empty() && !machine.is_decided());
    };
    // Of an earlier height: known already. Passed off as one of this height: another message was signed.
    let next = StartHeight { height: Height(2), ..group.start(Start::Now) };
    let (mut later, _) = group.machine(ME, None, next);
    assert_eq!(later.step(NOW, synced(&good, NOW)), Step::default());
    refuses(&mut later, synced(&Certificate { height: Height(2), ..good.clone() }, NOW));
    // Of another round, or for another time.
    let mut machine = machine(&group, Start::Now);
    refuses(&mut machine, synced(&Certificate { round: 1, ..good.clone() }, NOW));
    let mut elsewhen = good.clone();
    for entry in &mut elsewhen.signatures {
        if let CommitSignature::Commit { time, .. } = entry {
            *time = NOW.plus_ms(1);
        }
    }
    refuses(&mut machine, synced(&elsewhen, NOW.plus_ms(1)));
    refuses(&mut machine, synced(&good, NOW.plus_ms(1)));
    // And a quorum of prevotes that was one in another round or at another height.
    let polka = group.polka(&[0, 1, 2], 0, block);
    for (height, round) in [(1, 1), (2, 0)] {
        let stale = Message::Polka(catenary_consensus::PolkaCertificate {
            height: Height(height),
            round,
            ..polka.clone()
        });
        let target = if height == 1 { &mut machine } else { &mut later };
        assert_eq!(target.step(NOW, message(stale)).journal, []);
    }
    assert_eq!(machine.step(NOW, message(Message::Polka(polka))).journal.len(), 1, "the right one is taken");
}

#[test]
fn an_invalid_block_gets_no_vote_whatever_the_others_do() {
    let group = Group::new(4);
    let block = value("block");
    let mut machine = machine(&group, Start::Now);
    let mut said = feed(&mut machine, NOW, [proposal(&group, block), body(&group, block, Verdict::Invalid)]);
    said.extend(feed(&mut machine, NOW, group.ballots(0..3, Prevote, 0, Some(block))));
    let later = machine.deadline().unwrap();
    said.extend(feed(&mut machine, later, [Input::Fired]));
    assert_eq!(said, [(Prevote, 0, None), (Precommit, 0, None)]);
}

#[test]
fn a_proposal_that_is_not_the_leaders_is_no_proposal() {
    let group = Group::new(4);
    let block = value("block");
    let by = |index| group.proposal(index, 0, block);
    let mut forged = by(0);
    forged.signature.0[3] ^= 1;
    let usurped = SignedProposal {
        proposal: Proposal { proposer: group.address(0), ..by(1).proposal },
        signature: by(1).signature,
    };
    let of_itself = group.reproposal(0, 0, Some(0), block);
    let of_the_future = group.reproposal(0, 0, Some(1), block);
    let mut machine = machine(&group, Start::Now);
    for bad in [by(1), by(2), forged, usurped, of_itself, of_the_future] {
        let said = feed(&mut machine, NOW, [message(Message::Proposal(bad))]);
        assert_eq!(said, []);
    }
    let said = feed(&mut machine, NOW, [body(&group, block, Verdict::Valid)]);
    assert_eq!(said, [], "a body without proposal is nothing to vote on");
    assert_eq!(feed(&mut machine, NOW, [proposal(&group, block)]), [(Prevote, 0, Some(block))]);
}

#[test]
fn a_withheld_body_costs_the_leader_its_round() {
    let group = Group::new(4);
    let block = value("block");
    let mut machine = machine(&group, Start::Now);
    assert_eq!(feed(&mut machine, NOW, [proposal(&group, block)]), []);
    let later = machine.deadline().unwrap();
    let mut said = feed(&mut machine, later, [Input::Fired]);
    assert_eq!(said, [(Prevote, 0, None)], "nobody votes for what nobody has seen");
    said = feed(&mut machine, later, group.ballots(0..3, Prevote, 0, None));
    assert_eq!(said, [(Precommit, 0, None)]);
    // It comes after all, too late to be voted on in this round.
    assert_eq!(feed(&mut machine, later, [body(&group, block, Verdict::Valid)]), []);
    feed(&mut machine, later, group.ballots(0..3, Precommit, 0, None));
    let later = machine.deadline().unwrap();
    feed(&mut machine, later, [Input::Fired]);
    assert_eq!(machine.round(), Some(1));
}

#[test]
fn a_body_that_comes_after_the_quorum_decides() {
    let group = Group::new(4);
    let block = value("block");
    let mut machine = machine(&group, Start::Now);
    feed(&mut machine, NOW, [proposal(&group, block)]);
    feed(&mut machine, NOW, group.ballots(0..3, Prevote, 0, Some(block)));
    let said = feed(&mut machine, NOW, group.ballots(0..3, Precommit, 0, Some(block)));
    assert_eq!(
        (said, machine.is_decided()),
        (Vec::new(), false),
        "what is decided here cannot be executed yet"
    );
    let step = machine.step(NOW, body(&group, block, Verdict::Valid));
    assert_eq!(decision(&step).map(|decision| decision.value), Some(block));
}

#[test]
fn who_left_the_set_is_not_heard() {
    let group = Group::new(4);
    let block = value("block");
    let left = key(200);
    let validator = Address::of(&left.public_key());
    let vote = |kind, validator| {
        let vote = Vote { kind, height: Height(1), round: 0, value: Some(block), validator };
        let signature = left.sign(&vote.sign_bytes(&group.chain_id, LAST));
        Message::Vote(SignedVote { vote, signature })
    };
    let proposal = |proposer| {
        let proposal = Proposal { height: Height(1), round: 0, pol_round: None, value: block, proposer };
        let signature = left.sign(&proposal.sign_bytes(&group.chain_id));
        Message::Proposal(SignedProposal { proposal, signature })
    };
    for start in [Start::Now, Start::WhenNeeded] {
        let mut machine = machine(&group, start);
        let deadline = machine.deadline();
        // In its own name and in the leader's.
        for name in [validator, group.address(0)] {
            for said in [vote(Prevote, name), vote(Precommit, name), proposal(name)] {
                assert_eq!(machine.step(NOW, message(said)), Step::default());
            }
        }
        assert_eq!(machine.deadline(), deadline, "it wakes nobody");
        assert_eq!(machine.step(NOW, body(&group, block, Verdict::Valid)), Step::default());
    }
    // The one that left follows: it decides with the others and is asked for nothing.
    let (signer, cache) = (Some(Signer::new(left, None)), Box::new(LocalCache::default()));
    let (mut machine, _) =
        Consensus::start(NOW, group.chain_id.clone(), signer, cache, group.start(Start::Now));
    let mut inputs =
        vec![message(Message::Proposal(group.proposal(0, 0, block))), body(&group, block, Verdict::Valid)];
    inputs.extend(group.ballots(0..3, Prevote, 0, Some(block)));
    inputs.extend(group.ballots(0..3, Precommit, 0, Some(block)));
    assert_eq!((feed(&mut machine, NOW, inputs), machine.is_decided()), (Vec::new(), true));
}

/// The neutral element as a key: one signature fits every message, and everybody knows it.
const WEAK_KEY: PublicKey = PublicKey({
    let mut bytes = [0; 32];
    bytes[0] = 1;
    bytes
});
const FITS_ALL: Signature = Signature({
    let mut bytes = [0; 64];
    bytes[0] = 1;
    bytes
});

#[test]
fn a_key_of_small_order_counts_as_one_member_on_every_path_and_for_no_other() {
    // One rule, whether alone or in a batch.
    for (key, expected) in [(WEAK_KEY, true), (key(0).public_key(), false)] {
        let item = VerificationItem { key, message: b"anything", signature: FITS_ALL };
        assert_eq!(verify(&key, b"anything", &FITS_ALL).is_ok(), expected);
        assert_eq!(verify_batch(&[item, item], [7; 32]).iter().all(Result::is_ok), expected);
    }
    let group = Group::of((0..3).map(|seed| key(seed).public_key()).chain([WEAK_KEY]));
    let weak = group.set.index_of(&Address::of(&WEAK_KEY)).unwrap();
    let [leader, second, me] = [1, 2, 3].map(|step| (weak + step) % 4);
    let block = value("block");
    let says = |kind: VoteKind, index| {
        let validator = group.address(index);
        let vote = Vote { kind, height: Height(1), round: 0, value: Some(block), validator };
        message(Message::Vote(SignedVote { vote, signature: FITS_ALL }))
    };
    let start = || StartHeight { first_leader: leader, ..group.start(Start::Now) };
    let (mut machine, _) = group.machine(me, None, start());
    let mut inputs = vec![message(Message::Proposal(group.proposal(leader, 0, block)))];
    inputs.push(verdict(&group, block, leader, Verdict::Valid, Origin::Consensus));
    inputs.extend(group.ballots([leader, second], Prevote, 0, Some(block)));
    feed(&mut machine, NOW, inputs);
    // Under a sound key it is no signature, under its own it is one vote of four.
    assert_eq!(machine.step(NOW, says(Precommit, leader)), Step::default());
    assert_eq!(machine.step(NOW, says(Precommit, second)), Step::default());
    let steps = [says(Precommit, weak), group.ballot(leader, Precommit, 0, Some(block))];
    let steps = steps.map(|input| machine.step(NOW, input));
    assert_eq!((steps[0].journal.len(), decision(&steps[0])), (1, None));
    let certificate = decided(&steps).unwrap().certificate;
    // Nobody says no to the certificate that others made with it.
    let (mut machine, _) = group.machine(second, None, start());
    let step = machine.step(NOW, Input::Synced { peer: PEER, certificate, time: NOW });
    assert_eq!(step.now, [Effect::JudgeSynced { height: Height(1), value: block }]);
}

#[test]
fn expired_work_and_a_stray_vote_leave_an_idle_height_idle() {
    let group = Group::new(4);
    for member in 0..4 {
        let stray = || group.ballot((member + 1) % 4, Prevote, 0, None);
        let wake_and_rest = || vec![Input::Wake, Input::Rest];
        for inputs in [
            [wake_and_rest(), vec![stray()]].concat(),
            [vec![stray()], wake_and_rest()].concat(),
            vec![Input::Wake, stray(), Input::Rest],
        ] {
            let (mut machine, _) = group.machine(member, None, group.start(Start::WhenNeeded));
            assert_eq!(feed(&mut machine, NOW, inputs), []);
            for second in 0..=30 {
                let now = NOW.plus_ms(second * 1_000);
                assert_eq!((machine.deadline(), machine.step(now, Input::Fired)), (None, Step::default()));
            }
        }
    }
}
