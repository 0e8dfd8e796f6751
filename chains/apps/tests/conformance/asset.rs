//! Money: every balance is what the calls so far make it, supply what was minted and not burnt, and who may do what.

use crate::{
    common::name,
    world::{World, accounts, reason},
};
use catenary_apps::{
    accounts::AccountName,
    asset::{
        AssetCall, AssetKey, AssetRecord, Burn, Create, Freeze, Mint, Supply, Transfer, Unfreeze, audit,
    },
};
use catenary_ledger::{
    Caller, Reason, View,
    records::{Account, ReadRecords, Roles},
    stores::ASSET,
};
use catenary_types::{AccountId, Amount, AssetId, Message, Role};
use proptest::{prelude::*, test_runner::TestRunner};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

fn asset() -> impl Strategy<Value = AssetId> {
    let name = prop_oneof![4 => Just("CZK"), 2 => Just("EUR"), 1 => Just("transfer/bft-client-0/CZK")];
    name.prop_map(|name| name.parse().unwrap())
}

fn amount() -> impl Strategy<Value = Amount> {
    prop_oneof![8 => 1..20u128, 1 => Just(0), 1 => Just(u128::MAX), 1 => Just(u128::MAX - 100)]
        .prop_map(Amount)
}

pub fn call() -> impl Strategy<Value = AssetCall> {
    let memo =
        prop_oneof![8 => Just(0usize), 1 => Just(256), 1 => Just(257)].prop_map(|bytes| "m".repeat(bytes));
    let account = || accounts().prop_map(|name| name.id());
    prop_oneof![
        2 => (asset(), 0..20u32).prop_map(|(asset, decimals)| AssetCall::Create(Create { asset, decimals })),
        4 => (asset(), accounts(), amount())
            .prop_map(|(asset, to, amount)| AssetCall::Mint(Mint { asset, to, amount })),
        2 => (asset(), amount()).prop_map(|(asset, amount)| AssetCall::Burn(Burn { asset, amount })),
        6 => (asset(), accounts(), amount(), memo)
            .prop_map(|(asset, to, amount, memo)| AssetCall::Transfer(Transfer { asset, to, amount, memo })),
        1 => account().prop_map(|account| AssetCall::Freeze(Freeze { account })),
        1 => account().prop_map(|account| AssetCall::Unfreeze(Unfreeze { account })),
    ]
}

fn kind(call: &AssetCall) -> &'static str {
    match call {
        AssetCall::Create(_) => "create",
        AssetCall::Mint(_) => "mint",
        AssetCall::Burn(_) => "burn",
        AssetCall::Transfer(_) => "transfer",
        AssetCall::Freeze(_) => "freeze",
        AssetCall::Unfreeze(_) => "unfreeze",
    }
}

fn balance(view: &dyn View, account: &AccountId, asset: &AssetId) -> u128 {
    let bytes = view.get(ASSET, &AssetKey::Balance { account, asset }.bytes());
    bytes.map_or(0, |bytes| u128::from_be_bytes(bytes.try_into().unwrap()))
}

fn is_frozen(view: &dyn View, account: &AccountId) -> bool {
    view.get(ASSET, &AssetKey::Frozen(account).bytes()).is_some()
}

/// What a balance is after a call that succeeded.
fn moved(caller: &Caller, call: &AssetCall, account: &AccountId, asset: &AssetId, balance: u128) -> u128 {
    let (from, to, of, amount) = match call {
        AssetCall::Mint(call) => (None, Some(call.to.id()), &call.asset, call.amount.0),
        AssetCall::Burn(call) => (Some(caller.account), None, &call.asset, call.amount.0),
        AssetCall::Transfer(call) => (Some(caller.account), Some(call.to.id()), &call.asset, call.amount.0),
        AssetCall::Create(_) | AssetCall::Freeze(_) | AssetCall::Unfreeze(_) => return balance,
    };
    let taken = if of == asset && from == Some(*account) { amount } else { 0 };
    let given = if of == asset && to == Some(*account) { amount } else { 0 };
    balance - taken + given
}

/// Fails if the caller may not do what he did.
fn check_rights(before: &World, caller: &Caller, call: &AssetCall) {
    let issues = |asset: &AssetId| {
        let record = before.get(ASSET, &AssetKey::Record(asset).bytes()).unwrap();
        let issuer = AssetRecord::decode(&record).unwrap().issuer;
        issuer.as_ref() == Some(&caller.organisation) && caller.roles.has(Role::Issuer)
    };
    let decides = |account: &AccountId| {
        let own = before.account(account).unwrap().organisation == caller.organisation;
        (own && caller.roles.has(Role::Operator)) || caller.roles.has(Role::Regulator)
    };
    let may = match call {
        AssetCall::Create(_) => caller.roles.has(Role::Issuer),
        AssetCall::Mint(Mint { asset, .. }) | AssetCall::Burn(Burn { asset, .. }) => issues(asset),
        AssetCall::Transfer(_) => true,
        AssetCall::Freeze(Freeze { account }) | AssetCall::Unfreeze(Unfreeze { account }) => decides(account),
    };
    assert!(may, "{caller:?} did {call:?}");
}

/// What must hold of a call that succeeded, given the state before and after it.
fn check(before: &World, after: &World, caller: &Caller, call: &AssetCall) {
    check_rights(before, caller, call);
    let assets = ["CZK", "EUR", "transfer/bft-client-0/CZK"].map(|name| name.parse::<AssetId>().unwrap());
    let accounts = after.all_accounts();
    for (asset, account) in assets.iter().flat_map(|asset| accounts.keys().map(move |id| (asset, id))) {
        let (old, new) = (balance(before, account, asset), balance(after, account, asset));
        assert_eq!(new, moved(caller, call, account, asset, old), "{account} after {call:?} by {caller:?}");
        assert!(new == old || !is_frozen(before, account), "{account} is frozen: {call:?}");
    }
    for (id, account) in after.all_accounts() {
        let fresh = Account { threshold: 0, keys: Vec::new(), roles: Roles::default(), ..account.clone() };
        assert_eq!(account, before.account(&id).unwrap_or(fresh), "a credit gives nobody a key: {call:?}");
    }
}

/// Follows what successful calls issued.
fn issue(issued: &mut BTreeMap<AssetId, u128>, call: &AssetCall) {
    match call {
        AssetCall::Mint(call) => *issued.entry(call.asset.clone()).or_default() += call.amount.0,
        AssetCall::Burn(call) => *issued.entry(call.asset.clone()).or_default() -= call.amount.0,
        _ => {}
    }
}

/// Who calls, with which role besides his own, and whether a new block begins before.
type Step = (AccountName, Option<Role>, AssetCall, bool);

/// A issues CZK and spreads it, so that most of what follows has money to move.
fn first() -> Vec<Step> {
    let issuer = || name("A", "operator");
    let asset = || "CZK".parse::<AssetId>().unwrap();
    let create = AssetCall::Create(Create { asset: asset(), decimals: 2 });
    let holders = [issuer(), name("A", "7"), name("B", "operator"), name("B", "7")];
    let mint = |to| AssetCall::Mint(Mint { asset: asset(), to, amount: Amount(50) });
    let calls = [create].into_iter().chain(holders.map(mint));
    calls.map(|call| (issuer(), None, call, false)).collect()
}

fn step() -> impl Strategy<Value = Step> {
    let role = prop::option::of(prop::sample::select(Role::ALL.to_vec()));
    (accounts(), role, call(), prop::bool::weighted(0.2))
}

#[test]
fn no_order_of_calls_makes_or_loses_money() {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let outcomes = RefCell::new(BTreeSet::new());
    let steps = prop::collection::vec(step(), 1..40);
    let run = |steps: Vec<Step>| {
        let (mut world, mut issued) = (World::new(), BTreeMap::new());
        for (name, role, call, next) in first().into_iter().chain(steps) {
            if next {
                world.next_block();
            }
            let Some(mut caller) = world.caller(&name) else { continue };
            caller.roles = role.into_iter().fold(caller.roles, Roles::with);
            let before = world.clone();
            let outcome = world.call("asset", &caller, &call.encode());
            if outcome.result.is_ok() {
                check(&before, &world, &caller, &call);
                issue(&mut issued, &call);
            }
            let supplies = audit(&world.state()).unwrap();
            let issued = issued.iter().filter(|(_, issued)| **issued > 0);
            let supplies = supplies.iter().filter(|(_, supply)| supply.issued > Amount::ZERO);
            let plain = |(asset, supply): (&AssetId, &Supply)| (asset.clone(), supply.issued.0);
            assert!(supplies.map(plain).eq(issued.map(|(asset, issued)| (asset.clone(), *issued))));
            outcomes.borrow_mut().insert((kind(&call), reason(&outcome)));
        }
        Ok(())
    };
    TestRunner::new(config).run(&steps, run).unwrap();
    let outcomes = outcomes.into_inner();
    for call in ["create", "mint", "burn", "transfer", "freeze", "unfreeze"] {
        assert!(outcomes.contains(&(call, None)), "no {call} succeeded: {outcomes:?}");
    }
    for reason in [
        Reason::NotAuthorised,
        Reason::InvalidArgument,
        Reason::AlreadyExists,
        Reason::NotFound,
        Reason::InsufficientBalance,
        Reason::AccountFrozen,
        Reason::Overflow,
    ] {
        assert!(outcomes.iter().any(|(_, seen)| *seen == Some(reason)), "{reason:?} was never the reason");
    }
}
