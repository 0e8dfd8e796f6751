//! Executing blocks: all calls or none, one receipt each, weight, rules, references.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use catenary_ledger::{
    Apps, Denial, Guard, Ledger, Overlay, ReferenceEntry, State, Subject, View,
    records::{AdminKey, Instance},
    reference_key,
    stores::{ADMIN, ASSET, INDEX},
};
use catenary_types::{Amount, Height, InstanceName, Message, Parameters, Receipt};
use common::{Chain, START_S, Script, WEIGHT_STEP, account, call, genesis, ledger, signed};
use std::sync::Arc;

fn kinds(receipt: &Receipt) -> Vec<(&str, &str)> {
    receipt.events.iter().map(|event| (event.instance.as_str(), event.kind.as_str())).collect()
}

#[test]
fn a_transaction_does_all_its_calls_or_none_and_names_the_call_that_failed() {
    let mut chain = Chain::default();
    let done = chain.run(vec![call("one", "put a 1;emit first"), call("two", "emit second")]);
    assert_eq!((done.code, done.reason.as_str(), done.detail.as_str()), (0, "", ""));
    assert_eq!(kinds(&done), [("one", "first"), ("two", "second")]);
    assert_eq!(chain.value("a"), Some(b"1".to_vec()));
    for (script, reason, detail) in [
        ("fail", "INVALID_ARGUMENT", "call 1: as told"),
        ("panic", "INTERNAL", "call 1: the code panicked"),
        ("alone", "INVALID_ARGUMENT", "call 1: as told"),
    ] {
        let failed = chain.run(vec![call("one", "put a 2;delete b;emit first"), call("two", script)]);
        // A panic is caught around the transaction: which call it was, nobody says.
        let detail = if script == "panic" { "the code panicked" } else { detail };
        assert_eq!((failed.reason.as_str(), failed.detail.as_str()), (reason, detail));
        assert!(failed.code > 0 && failed.events.is_empty());
        assert_eq!(chain.value("a"), Some(b"1".to_vec()));
    }
    assert!(chain.run(vec![call("one", "alone;delete a")]).succeeded());
    assert_eq!(chain.value("a"), None);
}

#[test]
fn every_envelope_has_a_receipt_in_block_order_and_sees_what_came_before_it() {
    let mut chain = Chain::default();
    let scripts = ["add n 5", "put n oops;fail", "add n 7"];
    let transactions = scripts.map(|script| chain.transaction(vec![call("one", script)]));
    let receipts = chain.block(&transactions);
    assert!(receipts.iter().map(|receipt| receipt.tx_id).eq(transactions.iter().map(|one| one.id)));
    assert_eq!(receipts.iter().map(Receipt::succeeded).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(chain.value("n"), Some(12u128.to_be_bytes().to_vec()));
}

#[test]
fn a_write_that_changes_nothing_is_no_change() {
    let mut chain = Chain::default();
    chain.run(vec![call("one", "put a 1")]);
    let same = chain.transaction(vec![call("one", "put a 2;put a 1;put b 1;delete b;delete c")]);
    assert!(chain.execute(&[same]).changes.is_empty());
    let other = chain.transaction(vec![call("one", "put a 2;put b 1;delete b")]);
    let changes = chain.execute(&[other]).changes;
    assert_eq!(changes, [(ASSET, [(b"a".to_vec(), Some(b"2".to_vec()))].into())].into());
}

#[test]
fn only_active_instances_of_known_kinds_are_called() {
    let mut chain = Chain::default();
    let mut content = chain.state.content();
    let admin = content.get_mut(&ADMIN).unwrap();
    let set = |name: &str, kind: &str, active: bool| {
        let name: InstanceName = name.parse().unwrap();
        let record = Instance { kind: kind.parse().unwrap(), version: 1, active };
        (AdminKey::Instance(&name).bytes(), Some(record.encode()))
    };
    admin.extend([set("asleep", "script", false), set("foreign", "unheard-of", true)]);
    chain.state = State::restore(Height(0), content, Default::default());
    for name in ["nowhere", "asleep", "foreign"] {
        let receipt = chain.run(vec![call(name, "put a 1")]);
        assert_eq!(receipt.reason, "UNKNOWN_INSTANCE");
        assert_eq!(receipt.detail, format!("call 0: there is no instance {name}"));
    }
    let malformed = chain.run(vec![catenary_types::Call { message: vec![0xff], ..call("one", "") }]);
    assert_eq!(malformed.reason, "MALFORMED_CALL");
    assert_eq!(chain.value("a"), None);
}

/// Base, two further signatures, three steps of two calls, one call that nobody knows.
const STATIC_WEIGHT: u64 = 50 + 2 * 40 + 3 * WEIGHT_STEP + 5;

#[test]
fn a_transaction_pays_for_its_envelope_and_its_calls() {
    let mut chain = Chain::default();
    let calls = vec![call("one", "emit a;emit b"), call("two", "emit c"), call("nowhere", "emit d")];
    let body = chain.body(calls.clone());
    assert_eq!(chain.ledger.static_weight(&chain.state, &signed(&body, &[1, 2, 3])), STATIC_WEIGHT);
    let malformed = catenary_types::Call { message: vec![0xff], ..calls[1].clone() };
    let body = chain.body(vec![malformed]);
    assert_eq!(chain.ledger.static_weight(&chain.state, &signed(&body, &[1])), 50 + 5);

    // What the calls charge beside it counts too, to the last unit.
    for (charge, succeeds) in [(70, true), (71, false)] {
        let mut genesis = genesis();
        let used = 50 + 40 + 3 * WEIGHT_STEP;
        genesis.parameters = Parameters { block_weight_max: used + 70, ..genesis.parameters };
        let mut chain = Chain::new(ledger(), &genesis);
        let charge = format!("charge {charge}");
        let body = chain.body(vec![call("one", "emit a"), call("two", &format!("{charge};put a 1"))]);
        let receipt = chain.block(&[signed(&body, &[1, 2])]).remove(0);
        let reason = if succeeds { "" } else { "OUT_OF_WEIGHT" };
        assert_eq!((receipt.reason.as_str(), chain.value("a").is_some()), (reason, succeeds));
    }
}

#[test]
fn an_app_may_keep_a_call_out_of_the_pool() {
    let mut chain = Chain::default();
    let [known, good] = ["get a", "put a 1"].map(|script| chain.transaction(vec![call("one", script)]));
    assert_eq!(chain.ledger.admit(&chain.state, &known), Ok(()));
    let both = chain.transaction(vec![call("two", "emit e"), call("one", "get a")]);
    // What is unknown or malformed fails in the block, where its receipt says so.
    let unknown = chain.transaction(vec![call("nowhere", "get a")]);
    let malformed = catenary_types::Call { message: vec![0xff], ..call("one", "") };
    let malformed = chain.transaction(vec![malformed]);
    let mut content = chain.state.content();
    content.entry(ASSET).or_default().insert(b"get a".to_vec(), Some(b"1".to_vec()));
    chain.state = State::restore(Height(0), content, Default::default());
    let reason =
        |transaction| chain.ledger.admit(&chain.state, transaction).map_err(|failure| failure.reason.name());
    assert_eq!((reason(&known), reason(&both)), (Err("REDUNDANT"), Err("REDUNDANT")));
    assert_eq!((reason(&good), reason(&unknown)), (Ok(()), Ok(())));
    assert_eq!(reason(&malformed), Err("MALFORMED_CALL"));
}

#[test]
fn a_reference_names_the_first_transaction_that_succeeded() {
    let mut chain = Chain::default();
    let order = |chain: &mut Chain, script: &str| {
        let mut body = chain.body(vec![call("one", script)]);
        body.reference = Some("order-1".parse().unwrap());
        body
    };
    chain.run(vec![call("one", "emit e")]);
    let bodies = ["fail", "emit e", "emit f"].map(|script| order(&mut chain, script));
    let [failed, first, second] = bodies.map(|body| signed(&body, &[1]));
    let receipts = chain.block(&[failed, first.clone(), second]);
    assert_eq!(receipts[0].reason, "INVALID_ARGUMENT");
    assert_eq!(kinds(&receipts[1]), [("admin", "reference_entered"), ("one", "e")]);
    assert_eq!(receipts[1].events[0].text("reference"), Some("order-1"));
    let expected = format!("reference order-1 is transaction {} at height 2, position 1", first.id);
    assert_eq!((receipts[2].reason.as_str(), receipts[2].detail.as_str()), ("REFERENCE_USED", &expected[..]));
    let key = reference_key(&account("alice"), &"order-1".parse().unwrap());
    let entry = ReferenceEntry::decode(&chain.state.get(INDEX, &key).unwrap()).unwrap();
    assert_eq!(entry, ReferenceEntry { height: Height(2), position: 1, tx_id: first.id });
    // A name belongs to its sender.
    let mut body = order(&mut chain, "emit e");
    body.sender = account("both");
    assert!(chain.block(&[signed(&body, &[2, 3])])[0].succeeded());
}

/// Denies calls that say its name, and credits beyond its limit unless key `open` is there.
struct Rule {
    name: &'static str,
    limit: u128,
}

impl Guard for Rule {
    fn check(&self, state: &Overlay<'_>, subject: &Subject<'_>) -> Result<(), Denial> {
        let deny = |reason: String| Err(Denial { rule: self.name.into(), reason });
        match subject {
            Subject::Call { caller, instance, message }
                if String::from_utf8_lossy(message).contains(self.name) =>
            {
                deny(format!("{} calls {instance}", caller.account == account("alice")))
            }
            Subject::Credit { amount, asset, .. } if *amount > Amount(self.limit) => {
                match state.get(ASSET, b"open") {
                    Some(_) => Ok(()),
                    None => deny(format!("{amount} {asset}")),
                }
            }
            _ => Ok(()),
        }
    }
}

#[test]
fn rules_are_asked_in_order_about_calls_and_credits() {
    let rule = |name, limit| Arc::new(Rule { name, limit });
    let guarded = ledger().with_guard(rule("strict", 5)).with_guard(rule("lax", 9));
    let mut chain = Chain::new(guarded, &genesis());
    for (script, detail) in [
        ("emit lax", "rule lax: true calls one"),
        ("emit lax;emit strict", "rule strict: true calls one"),
        ("credit 6", "rule strict: 6 CZK"),
        ("credit 10", "rule strict: 10 CZK"),
    ] {
        let receipt = chain.run(vec![call("one", script)]);
        assert_eq!((receipt.reason.as_str(), receipt.detail), ("DENIED", format!("call 0: {detail}")));
    }
    assert!(chain.run(vec![call("one", "credit 5")]).succeeded());
    assert!(
        chain.run(vec![call("one", "put open 1;credit 10")]).succeeded(),
        "a rule sees what the call wrote"
    );
}

#[test]
fn ids_of_all_envelopes_are_entered_and_an_empty_block_changes_nothing() {
    let mut chain = Chain::default();
    let scripts = ["emit e", "fail"].map(|script| chain.transaction(vec![call("one", script)]));
    let replay = chain.execute(&scripts).replay.unwrap();
    let minute = START_S / 60;
    assert_eq!(replay.drop_below, minute);
    let ids: Vec<_> =
        scripts.iter().map(|one| (minute + 1, (one.body.sender, one.body.request_id))).collect();
    assert_eq!(replay.entered, ids);
    let empty = chain.execute(&[]);
    assert_eq!((empty.replay.clone(), empty.changes.len(), empty.receipts.len()), (None, 0, 0));
    let before = chain.state.app_hash();
    assert_eq!(chain.state.apply(&empty), before);
    chain.block(&scripts[1..]);
    assert_ne!(chain.state.app_hash(), before, "also a failed transaction stands in the replay window");
}

#[test]
#[should_panic(expected = "app kind script is there twice")]
fn a_kind_has_one_app() {
    let _ = Apps::default().with("script", Script).with("script", Script);
}

#[test]
fn a_ledger_knows_its_kinds() {
    let apps = Apps::default().with("script", Script).with("another", Script);
    assert_eq!(apps.kinds().collect::<Vec<_>>(), ["another", "script"]);
    assert_eq!(Ledger::new(apps).genesis(&genesis()).unwrap().height(), Height(0));
}
