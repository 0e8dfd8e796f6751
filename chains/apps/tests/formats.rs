//! What a few blocks leave behind, pinned in `fixtures/state.txt`: receipts with their events, every key and value of the
//! `admin`, `asset` and `index` stores, and all roots.
//!
//! A failure is a fork of every chain; its message holds the text that the file would have to be.

#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]

mod common;

use catenary_apps::{
    admin::{
        AddInstance, AdminCall, AdmitOrganisation, OpenAccount, RecoverKeys, SetKeys, SetParameters,
        SetRoles, SetValidators, SwitchInstance, Tick,
    },
    asset::{AssetCall, AssetKey, Burn, Freeze, Transfer, Unfreeze},
};
use catenary_ledger::{Executed, Reason, records::Roles};
use catenary_types::{AccountId, Amount, Message, Parameters, Receipt, Role, Validator};
use common::{Chain, admin, asset, create, czk, grant, key, mint, name, open, pay, ready, votes};
use std::fmt::Write;

/// Money, under references. The last transaction fails.
fn money(chain: &mut Chain) -> Executed {
    let paid = asset(AssetCall::Transfer(Transfer {
        asset: czk(),
        to: name("B", "CZ6508000000192000145399"),
        amount: Amount(245_200),
        memo: "rent for July".into(),
    }));
    let burn = asset(AssetCall::Burn(Burn { asset: czk(), amount: Amount(1) }));
    let made = chain.operator("A", Some("issue"), vec![create(), mint(name("A", "operator"), u128::MAX)]);
    let moved = chain.operator("A", Some("29401"), vec![paid, burn]);
    let failed = chain.operator("B", Some("29402"), vec![open("9", 3), pay(name("A", "9"), 1)]);
    chain.block(&[made, moved, failed])
}

/// All that the committee decides.
fn governance(chain: &mut Chain) -> Executed {
    let parameters = Parameters { block_interval_ms_min: 21, ..Parameters::for_group_of(1) };
    let member = |seed, power| Validator { public_key: key(seed).public_key(), power };
    let instance = || "transfer".parse().unwrap();
    let roles = Role::ALL.into_iter().fold(Roles::default(), Roles::with);
    let calls = vec![
        AdminCall::AdmitOrganisation(AdmitOrganisation { organisation: "C".parse().unwrap() }),
        AdminCall::SetRoles(SetRoles { account: name("B", "operator").id(), roles }),
        AdminCall::SetParameters(SetParameters { parameters }),
        ready(chain, 3, chain.time()),
        ready(chain, 4, chain.time()),
        AdminCall::SetValidators(SetValidators { validators: vec![member(3, 10), member(4, 20)] }),
        AdminCall::AddInstance(AddInstance { name: instance(), kind: instance(), version: 3 }),
        AdminCall::SwitchInstance(SwitchInstance { name: instance(), active: false }),
    ];
    let decided = chain.committee(calls);
    chain.block(&[decided])
}

/// Accounts, their keys and freezes, and a tick.
fn accounts(chain: &mut Chain) -> Executed {
    let number = "CZ6508000000192000145399";
    let first = OpenAccount { number: number.parse().unwrap(), threshold: 2, keys: vec![grant(4), grant(5)] };
    let freeze = |account: AccountId| asset(AssetCall::Freeze(Freeze { account }));
    let frozen = name("A", "operator").id();
    let thawed = asset(AssetCall::Unfreeze(Unfreeze { account: name("B", "operator").id() }));
    let opened = chain.operator("B", None, vec![admin(AdminCall::OpenAccount(first)), open("7", 6)]);
    let frozen = vec![freeze(frozen), freeze(name("B", "operator").id()), thawed];
    let frozen = chain.operator("B", None, frozen);
    let tick = chain.operator("A", None, vec![admin(AdminCall::Tick(Tick {}))]);
    chain.block(&[opened, frozen, tick])
}

/// Keys that end and keys that begin.
fn keys(chain: &mut Chain) -> Executed {
    let account = name("B", "7").id();
    let recover = AdminCall::RecoverKeys(RecoverKeys { account, threshold: 1, keys: vec![grant(10)] });
    let set = AdminCall::SetKeys(SetKeys { threshold: 1, keys: vec![grant(11), grant(12)] });
    let recovered = chain.operator("B", None, vec![admin(recover)]);
    let changed = chain.operator("A", None, vec![admin(set)]);
    let refused = chain.operator("A", None, vec![pay(name("B", "7"), 1)]);
    chain.block(&[recovered, changed, refused])
}

/// Two votes of a validator that the committee has replaced.
fn report(chain: &mut Chain) -> Executed {
    let lie = votes(&chain.chain_id, 9, [(None, chain.time()), (Some(1), chain.time())]);
    let reported = chain.operator("B", None, vec![common::report(lie)]);
    chain.block(&[reported])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Lines of name and value; the chain, and what its blocks did.
fn run() -> (String, Chain, Vec<Receipt>) {
    let mut chain = Chain::new();
    let mut lines = format!("chain id = {}\n", chain.chain_id);
    let mut text = |name: String, value: String| writeln!(lines, "{name} = {value}").unwrap();
    text("app hash at 0".into(), chain.state.app_hash().to_string());
    let mut receipts = Vec::new();
    for block in [money, governance, accounts, keys, report] {
        let executed = block(&mut chain);
        let height = executed.height;
        for (position, receipt) in executed.receipts.iter().enumerate() {
            text(format!("receipt {position} of {height}"), hex(&receipt.encode()));
        }
        text(format!("results hash of {height}"), Receipt::results_hash(&executed.receipts).to_string());
        text(format!("app hash at {height}"), chain.state.app_hash().to_string());
        receipts.extend(executed.receipts);
    }
    for (store, content) in chain.state.content() {
        for (key, value) in content {
            text(format!("{store} {}", hex(&key)), hex(&value.unwrap()));
        }
    }
    for (store, root) in chain.state.stores().store_roots(chain.state.height().0).unwrap() {
        text(format!("root of {store}"), root.to_string());
    }
    let (lane, asset) = ("bft-client-0".parse().unwrap(), czk());
    text("key of an escrow".into(), hex(&AssetKey::Escrow { lane: &lane, asset: &asset }.bytes()));
    (lines, chain, receipts)
}

#[test]
fn what_blocks_leave_behind_is_as_committed() {
    let (actual, ..) = run();
    assert!(actual == include_str!("fixtures/state.txt"), "not the committed bytes:\n{actual}");
}

/// Otherwise the pins would not show all that there is.
#[test]
fn the_pinned_blocks_hold_every_record_and_event() {
    let (_, chain, receipts) = run();
    let reasons: Vec<_> = receipts.iter().map(|receipt| receipt.reason.as_str()).collect();
    let (none, frozen) = (Reason::InsufficientBalance.name(), Reason::AccountFrozen.name());
    assert_eq!(reasons, ["", "", none, "", "", "", "", "", "", frozen, ""]);
    let mut events: Vec<_> =
        receipts.iter().flat_map(|receipt| &receipt.events).map(|event| event.kind.as_str()).collect();
    events.sort();
    events.dedup();
    let expected = "account_changed account_frozen account_opened account_unfrozen asset_created burned \
                    equivocation_reported instance_added instance_switched minted organisation_admitted parameters_changed \
                    reference_entered transferred validator_ready validators_changed";
    assert_eq!(events.join(" "), expected);
    let content = chain.state.content();
    let tags = |store: &str| -> Vec<u8> {
        let (_, content) = content.iter().find(|(name, _)| name.as_str() == store).unwrap();
        let mut tags: Vec<_> = content.keys().map(|key| key[0]).filter(|tag| *tag != 0).collect();
        tags.dedup();
        tags
    };
    assert_eq!(
        [tags("admin"), tags("asset"), tags("index")],
        [vec![1, 2, 3, 4, 5, 6, 7, 9], vec![1, 2, 3, 5], vec![1]]
    );
}
