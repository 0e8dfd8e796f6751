//! The pool: order, shares of a full block, ids, ticks, bounds and expiry.

use crate::node::{Node, START, WEIGHT_PAY, genesis, names, pay, refusal, tick, worker};
use catenary_apps::admin::{AdminCall, Tick};
use catenary_consensus::Input as ConsensusInput;
use catenary_replica::{
    Admission, Admitted, Done, Effect, Input, Job, POOL_BYTES_MAX, POOL_TRANSACTIONS_MAX, Recovered,
    RefusalReason, SUBMISSIONS_WAITING_MAX, SubmitOutcome,
};
use catenary_types::{
    Call, Envelope, Height, Message, RequestId, TxId, UnixSeconds, envelope::Transaction,
    limits::ENVELOPE_BYTES_MAX, time::NANOS_PER_SECOND,
};
use std::sync::Arc;

fn id(envelope: &[u8]) -> TxId {
    Transaction::decode(envelope).unwrap().id
}

#[test]
fn transactions_leave_in_the_order_in_which_they_came() {
    let mut node = Node::alone(|_| {});
    node.submit_payments("CAB", 1);
    node.submit_payments("ACB", 4);
    let block = node.build().unwrap();
    assert_eq!(names(&block), "C1 A2 B3 A4 C5 B6");
    let committed = node.decide(&block);
    assert_eq!((committed.pool, committed.executed.receipts.len()), (0, 6));
}

#[test]
fn who_fills_a_block_leaves_room_for_others_and_takes_what_they_leave() {
    // A block of ten payments, of which an organisation has three while others wait.
    let mut node = Node::alone(|parameters| {
        (parameters.block_weight_max, parameters.organisation_share_percent) = (10 * WEIGHT_PAY, 30);
    });
    node.submit_payments("AAAAAAAAAAAA", 1);
    node.submit_payments("BCB", 13);
    let block = node.build().unwrap();
    assert_eq!(names(&block), "A1 A2 A3 A4 A5 A6 A7 B13 C14 B15");
    assert_eq!(node.decide(&block).pool, 5);
    node.submit_payments("BBBBBBBC", 16);
    let block = node.build().unwrap();
    assert_eq!(names(&block), "A8 A9 A10 A11 A12 B16 B17 B18 B19 C23", "three of each, then by arrival");
    assert_eq!(node.decide(&block).pool, 3);
    let block = node.build().unwrap();
    assert_eq!(names(&block), "B20 B21 B22");
}

#[test]
fn who_is_alone_has_the_whole_block() {
    let mut node = Node::alone(|parameters| parameters.block_weight_max = 10 * WEIGHT_PAY);
    node.submit_payments("AAAAAAAAAAAA", 1);
    let block = node.build().unwrap();
    assert_eq!(names(&block), "A1 A2 A3 A4 A5 A6 A7 A8 A9 A10");
    assert_eq!(node.decide(&block).pool, 2);
}

#[test]
fn a_body_is_taken_once_and_an_id_names_one_body() {
    let mut node = Node::alone(|_| {});
    let (first, other) = (node.envelope('A', 1, vec![pay()]), node.envelope('A', 1, vec![tick()]));
    let accepted = SubmitOutcome::Accepted(id(&first));
    let known = |height| SubmitOutcome::Known { tx_id: id(&first), height };
    assert_eq!(node.submit(vec![first.clone(), first.clone()]), [accepted, known(None)]);
    assert_eq!(node.submit(vec![first.clone()]), [known(None)]);
    assert_eq!(refusal(&node.submit(vec![other.clone()])[0]), Some(RefusalReason::RequestIdReused));
    assert_eq!(node.replica.pool_len(), 1);
    node.commit();
    assert_eq!(node.submit(vec![first.clone()]), [known(Some(Height(1)))]);
    assert_eq!(refusal(&node.submit(vec![other])[0]), Some(RefusalReason::RequestIdReused));
    let same_id = node.envelope('B', 1, vec![pay()]);
    assert_eq!(
        node.submit(vec![same_id.clone()]),
        [SubmitOutcome::Accepted(id(&same_id))],
        "another sender's"
    );
}

#[test]
fn one_tick_a_second_is_let_in() {
    let mut node = Node::alone(|_| {});
    let ticks = [1, 2, 3].map(|request| node.envelope('A', request, vec![tick(), tick()]));
    let submit = |node: &mut Node, tick: usize| node.submit(vec![ticks[tick].clone()]).remove(0);
    assert_eq!(submit(&mut node, 0), SubmitOutcome::Accepted(id(&ticks[0])));
    let second = submit(&mut node, 1);
    assert_eq!(refusal(&second), Some(RefusalReason::Busy));
    assert!(RefusalReason::Busy.may_retry());
    assert_eq!(
        submit(&mut node, 0),
        SubmitOutcome::Known { tx_id: id(&ticks[0]), height: None },
        "it waits already"
    );
    let more_than_a_tick = node.envelope('A', 4, vec![tick(), pay()]);
    assert_eq!(node.submit(vec![more_than_a_tick.clone()]), [SubmitOutcome::Accepted(id(&more_than_a_tick))]);
    node.now = node.now.plus_ms(999);
    assert_eq!(refusal(&submit(&mut node, 1)), Some(RefusalReason::Busy));
    node.now = node.now.plus_ms(1);
    assert!(matches!(submit(&mut node, 0), SubmitOutcome::Known { .. }), "this costs nobody his turn");
    assert_eq!(submit(&mut node, 1), SubmitOutcome::Accepted(id(&ticks[1])));
    assert_eq!(refusal(&submit(&mut node, 2)), Some(RefusalReason::Busy));
}

#[test]
fn what_no_block_can_take_any_more_is_forgotten() {
    let mut node = Node::alone(|_| {});
    node.submit_payments("AB", 2);
    let late = node.envelope_until(UnixSeconds(START.0 + 11), 'C', 4, vec![pay()]);
    node.submit(vec![late]);
    let end = UnixSeconds(START.0 + 10).start();
    node.now = end;
    node.now.0 += NANOS_PER_SECOND - 1;
    node.input(Input::Fired);
    assert_eq!(node.replica.pool_len(), 3, "the second of the deadline counts");
    node.now.0 += 1;
    node.input(Input::Fired);
    assert_eq!(node.replica.pool_len(), 1);
    node.now.0 += NANOS_PER_SECOND;
    assert!(node.build().is_none(), "the last one expires on the way into a block");
    assert_eq!(node.replica.pool_len(), 0);
    assert!(
        node.consensus.iter().any(|input| matches!(input, ConsensusInput::Rest)),
        "there is no more to do"
    );
}

#[test]
fn submissions_beyond_the_bound_are_answered_at_once() {
    let mut node = Node::alone(|_| {});
    let submission = |node: &Node, ticket| {
        let envelopes = vec![node.envelope('A', 1, vec![pay()]), Vec::new()];
        Input::Submit { ticket, envelopes }
    };
    let mut jobs = Vec::new();
    for ticket in 0..SUBMISSIONS_WAITING_MAX as u64 {
        let step = node.replica.step(node.now, submission(&node, ticket));
        let [Effect::Work(job)] = &step.effects[..] else { panic!("{:?}", step.effects) };
        jobs.push(job.clone());
    }
    let step = node.replica.step(node.now, submission(&node, 999));
    let [Effect::Reply { ticket: 999, outcomes }] = &step.effects[..] else { panic!("{:?}", step.effects) };
    assert_eq!(outcomes.iter().map(refusal).collect::<Vec<_>>(), [Some(RefusalReason::Busy); 2]);
    let done = node.worker.run(jobs.remove(0));
    node.input(Input::Done(done));
    let step = node.replica.step(node.now, submission(&node, 1_000));
    assert!(
        matches!(step.effects[..], [Effect::Work(Job::Admit { ticket: Some(1_000), .. })]),
        "there is room again"
    );
}

/// The door's answer to an envelope that is fresh, over and over under other ids.
fn fresh(node: &mut Node, count: usize) -> Vec<Admission> {
    let envelopes = vec![node.envelope('A', 1, vec![pay()])];
    let Done::Admitted(admitted) = node.worker.run(Job::Admit { ticket: Some(0), envelopes, now: node.now })
    else {
        panic!("an admission was asked for")
    };
    let Admission::Fresh(waiting) = &admitted.admissions[0] else { panic!("{admitted:?}") };
    assert_eq!((waiting.weight, waiting.organisation.as_str()), (WEIGHT_PAY, "A"));
    let other = |number: usize| {
        let mut other = waiting.clone();
        let transaction = Arc::make_mut(&mut other.transaction);
        transaction.body.request_id = RequestId((number as u128).to_be_bytes());
        transaction.bytes.extend(number.to_be_bytes());
        Admission::Fresh(other)
    };
    (0..count).map(other).collect()
}

#[test]
fn the_pool_holds_so_many_transactions_and_no_more() {
    let mut node = Node::alone(|_| {});
    let admissions = fresh(&mut node, POOL_TRANSACTIONS_MAX + 1);
    let envelopes = vec![Vec::new()];
    node.replica.step(node.now, Input::Submit { ticket: 0, envelopes });
    let step =
        node.replica.step(node.now, Input::Done(Done::Admitted(Admitted { ticket: Some(0), admissions })));
    node.replica.check_invariants();
    let replied = step.effects.iter().find_map(|effect| match effect {
        Effect::Reply { outcomes, .. } => Some(outcomes),
        _ => None,
    });
    let outcomes = replied.unwrap();
    let refused: Vec<_> = outcomes.iter().map(refusal).collect();
    assert!(refused[..POOL_TRANSACTIONS_MAX].iter().all(Option::is_none));
    assert_eq!(refused[POOL_TRANSACTIONS_MAX], Some(RefusalReason::Busy));
    assert_eq!(node.replica.pool_len(), POOL_TRANSACTIONS_MAX);
}

#[test]
fn the_pool_holds_so_many_bytes_and_no_more() {
    let mut node = Node::alone(|_| {});
    let large = Call { instance: "other".parse().unwrap(), message: vec![0; ENVELOPE_BYTES_MAX - 1_000] };
    let fit = POOL_BYTES_MAX / node.envelope('A', 1, vec![large.clone()]).len();
    let envelopes: Vec<_> =
        (0..=fit as u8).map(|request| node.envelope('A', request, vec![large.clone()])).collect();
    let refused: Vec<_> = node.submit(envelopes).iter().map(refusal).collect();
    assert!(refused[..fit].iter().all(Option::is_none), "{refused:?}");
    assert_eq!(refused[fit..], [Some(RefusalReason::Busy)]);
    // Room is made by a block.
    node.commit();
    let small = node.envelope('B', 1, vec![large]);
    assert_eq!(refusal(&node.submit(vec![small])[0]), None);
}

#[test]
fn the_door_says_what_is_wrong() {
    let mut node = Node::start(
        worker(&genesis(1, |parameters| parameters.block_weight_max = WEIGHT_PAY)),
        Recovered::default(),
    );
    let good = Transaction::decode(&node.envelope('A', 1, vec![pay()])).unwrap();
    let forged = |change: fn(&mut Envelope)| {
        let mut envelope = Envelope::decode(&good.bytes).unwrap();
        change(&mut envelope);
        envelope.encode()
    };
    let cases = [
        (Vec::new(), RefusalReason::MalformedEnvelope),
        (forged(|envelope| envelope.kind = 2), RefusalReason::MalformedEnvelope),
        (vec![0; ENVELOPE_BYTES_MAX + 1], RefusalReason::TooLarge),
        (forged(|envelope| envelope.signatures[0].signature.0[0] ^= 1), RefusalReason::InvalidSignature),
        (node.envelope('D', 1, vec![pay()]), RefusalReason::UnknownSender),
        (node.envelope_until(START, 'A', 1, vec![pay()]), RefusalReason::Expired),
        (node.envelope_until(UnixSeconds(START.0 + 3_602), 'A', 1, vec![pay()]), RefusalReason::ValidTooLong),
        (node.envelope('A', 1, vec![pay(), pay(), pay()]), RefusalReason::TooHeavy),
    ];
    let outcomes = node.submit(cases.iter().map(|(envelope, _)| envelope.clone()).collect());
    let expected: Vec<_> = cases.iter().map(|(_, reason)| Some(*reason)).collect();
    assert_eq!(outcomes.iter().map(refusal).collect::<Vec<_>>(), expected);
    assert_eq!(node.replica.pool_len(), 0);
    assert_eq!(node.submit(vec![good.bytes.clone()]), [SubmitOutcome::Accepted(good.id)]);
}

#[test]
fn each_transaction_answers_for_its_own_signatures() {
    let mut node = Node::alone(|_| {});
    let (both, other) =
        (node.decision(1, vec![AdminCall::Tick(Tick {})]), node.envelope('A', 1, vec![pay()]));
    assert_eq!(Transaction::decode(&both).unwrap().signatures.len(), 2);
    let forge = |envelope: &[u8]| {
        let mut envelope = Envelope::decode(envelope).unwrap();
        envelope.signatures.last_mut().unwrap().signature.0[0] ^= 1;
        envelope.encode()
    };
    for (first, second) in [(false, true), (true, false)] {
        let mut node = Node::alone(|_| {});
        let of = |envelope: &[u8], is_forged| if is_forged { forge(envelope) } else { envelope.to_vec() };
        let outcomes = node.submit(vec![of(&both, first), of(&other, second)]);
        let refused: Vec<_> = outcomes.iter().map(|outcome| refusal(outcome).is_some()).collect();
        assert_eq!(refused, [first, second]);
    }
    assert_eq!(node.submit(vec![both, other]).iter().filter_map(refusal).count(), 0);
}
