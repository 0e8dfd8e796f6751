//! The conformance kit finds what it is there to find.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use catenary_ledger::{
    Apps, Caller, Reason, View,
    conformance::{Case, Outcome, Violation, judge},
    records::Roles,
    stores::ASSET,
};
use common::{Chain, Script, account};

fn verdict(script: &str) -> Result<Outcome, Violation> {
    let chain = Chain::default();
    let caller =
        Caller { account: account("alice"), organisation: "bank".parse().unwrap(), roles: Roles::default() };
    let case = Case { caller, message: script.into() };
    let view: &dyn View = &chain.state;
    judge(&Apps::default().with("script", Script), "script", view, &chain.next(), &case)
}

#[test]
fn an_honest_call_is_judged_by_what_it_did() {
    let outcome = verdict("put a 1;get b;add n 2;emit done;alone").unwrap();
    assert_eq!(outcome.result, Ok(()));
    let two = 2u128.to_be_bytes().to_vec();
    let writes = [(b"a".to_vec(), Some(b"1".to_vec())), (b"n".to_vec(), Some(two))];
    assert_eq!(outcome.writes, [(ASSET, writes.into())].into());
    assert_eq!(outcome.events.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>(), ["done"]);
    // It may read what it says it writes, and anything if it says so.
    assert!(verdict("put a 1;get a").is_ok());
    assert!(verdict("anything;peek c;sneak d").is_ok());
}

#[test]
fn a_failed_call_is_no_violation_and_leaves_nothing() {
    for (script, reason) in
        [("put a 1;emit e;fail", Reason::InvalidArgument), ("put a 1;panic", Reason::Internal)]
    {
        let outcome = verdict(script).unwrap();
        assert_eq!(outcome.result.unwrap_err().reason, reason);
        assert!(outcome.writes.is_empty() && outcome.events.is_empty());
    }
}

#[test]
fn what_is_not_declared_is_named() {
    let undeclared = |key: &[u8]| Err(Violation::Undeclared { store: ASSET, key: key.to_vec() });
    assert_eq!(verdict("get a;peek b"), undeclared(b"b"));
    assert_eq!(verdict("put a 1;sneak b"), undeclared(b"b"));
    assert_eq!(verdict("get a;sneak a"), undeclared(b"a"), "to read is not to write");
    assert_eq!(verdict("sneak b;fail"), undeclared(b"b"), "also in a call that fails");
}

#[test]
fn two_runs_that_differ_are_found() {
    assert_eq!(verdict("dice a"), Err(Violation::NotDeterministic));
}
