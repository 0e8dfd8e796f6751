//! Rules of accounts, references and money, block by block on a real state.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use catenary_apps::{
    admin::{AdminCall, RecoverKeys, SetKeys},
    asset::{AssetCall, AssetKey, Freeze},
};
use catenary_ledger::{Inadmissible, View, records::ReadRecords, stores::ASSET};
use catenary_types::{Receipt, Timestamp, UnixSeconds, time::NANOS_PER_SECOND};
use common::{Chain, START_S, admin, asset, create, czk, genesis, grant, key, mint, name, open, pay};

#[test]
fn a_failed_transaction_leaves_no_trace_and_does_not_use_up_its_reference() {
    let mut chain = Chain::new();
    let before = chain.state.app_hash();
    let failed = chain.run("A", Some("order-1"), vec![create(), pay(name("B", "7"), 5)]);
    assert_eq!(failed.reason, "INSUFFICIENT_BALANCE");
    assert!(failed.events.is_empty());
    assert_ne!(chain.state.app_hash(), before, "its id is in the replay window");
    let stores = |chain: &Chain| chain.state.stores().store_roots(chain.state.height().0).unwrap().to_vec();
    assert_eq!(stores(&chain)[..5], stores(&Chain::new())[..5], "and nothing else has changed");
    assert!(chain.run("A", Some("order-1"), vec![create(), mint(name("A", "operator"), 5)]).succeeded());
    let again = chain.run("A", Some("order-1"), vec![pay(name("B", "7"), 1)]);
    assert_eq!(again.reason, "REFERENCE_USED");
    assert!(again.detail.contains("height 2"), "{}", again.detail);
}

#[test]
fn only_its_organisation_sets_the_first_keys_of_an_account_that_a_credit_opened() {
    let mut chain = Chain::new();
    let to = name("B", "7");
    assert!(chain.run("A", None, vec![create(), mint(to.clone(), 5)]).succeeded());
    assert!(chain.state.account(&to.id()).unwrap().keys.is_empty());
    let signed = chain.sign(to.id(), &key(7), None, vec![pay(name("A", "thief"), 5)]);
    assert!(matches!(chain.check(&signed, chain.time()), Err(Inadmissible::UnknownKey(_))));
    assert!(chain.run("A", None, vec![open("7", 6)]).succeeded(), "that is account 7 of A");
    assert!(chain.state.account(&to.id()).unwrap().keys.is_empty());
    assert!(chain.run("B", None, vec![open("7", 7)]).succeeded());
    assert_eq!(chain.run("B", None, vec![open("7", 6)]).reason, "ALREADY_EXISTS");
    let payment = chain.sign(to.id(), &key(7), None, vec![pay(name("A", "8"), 5)]);
    assert!(chain.apply(payment).succeeded());
    let key = AssetKey::Balance { account: &name("A", "8").id(), asset: &czk() }.bytes();
    assert_eq!(chain.state.get(ASSET, &key), Some(5u128.to_be_bytes().to_vec()));
}

#[test]
fn validity_ends_with_the_last_fraction_of_its_second() {
    let mut chain = Chain::new();
    let signed = chain.operator("A", None, vec![create()]);
    let end = UnixSeconds(START_S + 100).start();
    assert_eq!(chain.check(&signed, Timestamp(end.0 + NANOS_PER_SECOND - 1)), Ok(()));
    let late = chain.check(&signed, Timestamp(end.0 + NANOS_PER_SECOND));
    assert!(matches!(late, Err(Inadmissible::Expired { .. })), "{late:?}");
    let early = UnixSeconds(START_S + 100 - 3_600).start();
    assert_eq!(chain.check(&signed, early), Ok(()));
    let too_early = chain.check(&signed, Timestamp(early.0 - 1));
    assert!(matches!(too_early, Err(Inadmissible::ValidTooLong { .. })), "{too_early:?}");
}

#[test]
fn an_id_is_taken_once_and_a_frozen_account_neither_pays_nor_is_paid() {
    let mut chain = Chain::new();
    let signed = chain.operator("A", None, vec![create(), mint(name("A", "operator"), 9)]);
    assert!(chain.apply(signed.clone()).succeeded());
    assert!(matches!(chain.check(&signed, chain.time()), Err(Inadmissible::Repeated(_))));
    let account = name("A", "operator").id();
    let stranger = chain.run("B", None, vec![asset(AssetCall::Freeze(Freeze { account }))]);
    assert_eq!(stranger.reason, "NOT_AUTHORISED");
    assert!(chain.run("A", None, vec![asset(AssetCall::Freeze(Freeze { account }))]).succeeded());
    assert_eq!(chain.run("A", None, vec![pay(name("B", "7"), 1)]).reason, "ACCOUNT_FROZEN");
    assert_eq!(chain.run("A", None, vec![mint(name("A", "operator"), 1)]).reason, "ACCOUNT_FROZEN");
}

#[test]
fn a_transaction_is_for_one_chain_even_if_an_earlier_one_had_its_name() {
    let mut earlier = Chain::from_genesis(&genesis(UnixSeconds(START_S - 1)));
    let mut chain = Chain::new();
    assert_eq!(earlier.chain_id.name(), chain.chain_id.name());
    let (signed, time) = (earlier.operator("A", None, vec![create()]), chain.time());
    assert_eq!(earlier.check(&signed, time), Ok(()));
    let expected =
        Inadmissible::WrongChain { expected: chain.chain_id.clone(), actual: earlier.chain_id.clone() };
    assert_eq!(chain.check(&signed, time), Err(expected));
    // Everything else about it is right: naming the chain is all that is missing.
    let own = chain.operator("A", None, vec![create()]);
    assert_eq!(chain.check(&own, time), Ok(()));
}

#[test]
fn the_last_keys_that_a_block_sets_are_the_only_ones() {
    let mut chain = Chain::new();
    assert!(chain.run("B", None, vec![open("7", 6)]).succeeded());
    let account = name("B", "7").id();
    let set = |seed: u8| admin(AdminCall::SetKeys(SetKeys { threshold: 1, keys: vec![grant(seed)] }));
    let thief = chain.sign(account, &key(6), None, vec![set(7)]);
    let recover = RecoverKeys { account, threshold: 1, keys: vec![grant(10)] };
    let recovery = chain.operator("B", None, vec![admin(AdminCall::RecoverKeys(recover))]);
    let executed = chain.block(&[thief, recovery]);
    assert!(executed.receipts.iter().all(Receipt::succeeded));
    for (seed, counts) in [(6, false), (7, false), (10, true)] {
        let signed = chain.sign(account, &key(seed), None, vec![create()]);
        assert_eq!(chain.check(&signed, chain.time()).is_ok(), counts, "key {seed}");
    }
}
