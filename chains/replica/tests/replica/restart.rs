//! A node that stops at any moment and goes on from what is on disk: block log, checkpoint, journal.

use crate::node::{Change, Node, START, certify, genesis, pay, value, worker};
use catenary_consensus::{Decision, Record, Start, Verdict};
use catenary_crypto::Hash;
use catenary_ledger::{ReplayChange, ReplayWindow, State};
use catenary_replica::{Input, Recovered, RecoveryError, SubmitOutcome, Worker};
use catenary_state::{Batch, StoreName};
use catenary_types::{Block, Certificate, CommitSignature, Height, UnixSeconds};
use std::collections::BTreeMap;

type Log = Vec<(Block, Certificate)>;

/// A node that made three blocks with a payment each and a seal, and its block log.
fn lived() -> (Node, Log) {
    let mut node = Node::start(worker(&genesis(4, |_| {})), Recovered::default());
    for request in 1..=3 {
        node.submit_payments("A", request);
        node.commit();
    }
    node.commit();
    let entry = |committed: &catenary_replica::Committed| {
        let certificate = &committed.executed.tip.block.as_ref().unwrap().certificate;
        ((*committed.executed.block).clone(), certificate.clone())
    };
    let log = node.committed.iter().map(entry).collect();
    (node, log)
}

fn replay(worker: &mut Worker, log: &[(Block, Certificate)]) -> Result<(), RecoveryError> {
    log.iter()
        .try_for_each(|(block, certificate)| worker.replay(block.clone(), certificate.clone()).map(drop))
}

#[test]
fn the_block_log_leads_to_the_same_tip() {
    let (node, log) = lived();
    let mut again = worker(&genesis(4, |_| {}));
    assert_eq!(replay(&mut again, &log), Ok(()));
    assert_eq!(again.tip(), node.worker.tip());
    assert_eq!(again.state().app_hash(), node.worker.state().app_hash());
    let mut node = Node::start(again, Recovered::default());
    let known = node.envelope('A', 2, vec![pay()]);
    let outcome = node.submit(vec![known]).remove(0);
    assert!(matches!(outcome, SubmitOutcome::Known { height: Some(Height(2)), .. }), "{outcome:?}");
    node.submit_payments("A", 4);
    assert_eq!(node.commit().executed.tip.height, Height(5));
}

#[test]
fn a_block_of_the_log_that_is_not_the_next_is_named() {
    let (_, log) = lived();
    let changes: [Change<(Block, Certificate)>; 6] = [
        ("header", |(block, _)| block.header.app_hash = Hash([1; 32])),
        ("header", |(block, _)| block.envelopes.clear()),
        ("header", |(block, _)| block.last_certificate = None),
        ("certificate", |(_, certificate)| certificate.block = Hash([1; 32])),
        ("certificate", |(_, certificate)| certificate.height = Height(3)),
        ("signature of entry 1", |(_, certificate)| {
            let CommitSignature::Commit { signature, .. } = &mut certificate.signatures[1] else { return };
            signature.0[0] ^= 1;
        }),
    ];
    for (named, change) in changes {
        let mut damaged = log.clone();
        change(&mut damaged[1]);
        let Err(RecoveryError::Block { height, reason }) = replay(&mut worker(&genesis(4, |_| {})), &damaged)
        else {
            panic!("a damaged {named} was taken")
        };
        assert_eq!(height, Height(2));
        assert!(reason.contains(named), "{named}: {reason}");
    }
    let gap = [log[0].clone(), log[2].clone()];
    let error = replay(&mut worker(&genesis(4, |_| {})), &gap).unwrap_err();
    assert!(matches!(error, RecoveryError::Block { height: Height(3), .. }));
}

#[test]
fn checkpoints_add_up_to_the_state() {
    let mut node = Node::start(worker(&genesis(4, |_| {})), Recovered::default());
    let mut content = BTreeMap::<StoreName, Batch>::new();
    let mut ids = Vec::new();
    let mut drop_below = 0;
    for round in 0..3 {
        // The last block drops the minutes of all that the first two entered.
        let second = if round < 2 { 2 + u64::from(round) } else { 200 };
        node.now = UnixSeconds(START.0 + second).start();
        let until = UnixSeconds(START.0 + second + 5);
        let envelope = |bank| node.envelope_until(until, bank, 1 + round, vec![pay()]);
        let envelopes = ['A', 'B'].map(envelope).to_vec();
        assert!(node.submit(envelopes).iter().all(|outcome| matches!(outcome, SubmitOutcome::Accepted(_))));
        node.commit();
        if round == 1 {
            // Two blocks, one checkpoint.
            continue;
        }
        let checkpoint = node.worker.take_checkpoint();
        assert_eq!(checkpoint.height, node.worker.tip().height);
        for (store, batch) in checkpoint.changes {
            content.entry(store).or_default().extend(batch);
        }
        drop_below = drop_below.max(checkpoint.drop_below);
        ids.extend(checkpoint.entered);
    }
    assert_eq!(node.worker.take_checkpoint().changes, BTreeMap::new(), "nothing has changed since");
    let mut window = ReplayWindow::default();
    let entered = ids.iter().map(|(minute, sender, request_id, ..)| (*minute, (*sender, *request_id)));
    let entered = entered.filter(|(minute, _)| *minute >= drop_below);
    window.apply(&ReplayChange { drop_below, entered: entered.collect() });
    let state = State::restore(Height(3), content, window);
    assert_eq!(state.app_hash(), node.worker.state().app_hash());
    let recent =
        ids.iter().map(|(_, sender, request_id, tx_id, height)| ((*sender, *request_id), (*tx_id, *height)));
    let ledger = catenary_ledger::Ledger::new(catenary_ledger::Apps::default());
    let restored = Worker::new(ledger, state, node.worker.tip().clone(), recent.collect());
    let mut restored = Node::start(restored, Recovered::default());
    let known = restored.envelope_until(UnixSeconds(START.0 + 205), 'B', 3, vec![pay()]);
    let outcome = restored.submit(vec![known]).remove(0);
    assert!(matches!(outcome, SubmitOutcome::Known { height: Some(Height(3)), .. }), "{outcome:?}");
}

#[test]
fn the_journal_gives_back_bodies_and_records_of_the_height_that_runs() {
    let (mut node, log) = lived();
    node.submit_payments("B", 9);
    let block = node.build().unwrap();
    let record = |height| Record { height: Height(height), bytes: vec![height as u8] };
    let recovered = Recovered {
        bodies: vec![log[3].0.clone(), (*block).clone()],
        records: [4, 5, 5, 6].map(record).to_vec(),
    };
    let mut again = worker(&genesis(4, |_| {}));
    replay(&mut again, &log).unwrap();
    let mut node = Node::start(again, recovered);
    assert_eq!((node.started().height, node.started().start), (Height(5), Start::Now));
    assert_eq!(node.started().replay, [record(5), record(5)]);
    assert_eq!(node.verdicts(), [(value(&block), Verdict::Valid)], "it was judged before it was written");
    let certificate = certify(node.worker.tip(), &block.header, 0, &[]);
    node.input(Input::Decided(Decision { certificate, value: value(&block), evidence: Vec::new() }));
    assert_eq!(node.committed.len(), 1, "the body is there");
    assert_eq!(node.started().replay, [record(6)]);
}
