//! Governance: who may change what, and that no order of calls gives an account keys that nobody granted last.

use crate::{
    common::{START_S, genesis, grant, key, votes},
    world::{World, accounts, reason},
};
use catenary_apps::{
    accounts::{AccountName, KeyGrant},
    admin::{
        AddInstance, AdminCall, AdmitOrganisation, CreateChain, DeclareReady, OpenAccount, RecoverKeys,
        RemoveChain, ReportEquivocation, SetKeys, SetParameters, SetRoles, SetRoots, SetValidators,
        SwitchInstance, Tick,
    },
};
use catenary_crypto::Hash;
use catenary_ledger::{
    Caller, Reason,
    conformance::Outcome,
    records::{Account, AdminKey, Equivocation, ReadRecords, Roles, committee_account},
    stores::ADMIN,
};
use catenary_types::{
    AccountId, Genesis, Height, InstanceName, Message, Parameters, Readiness, Role, UnixSeconds, Validator,
};
use proptest::{prelude::*, test_runner::TestRunner};
use std::{cell::RefCell, collections::BTreeSet};

fn grants() -> impl Strategy<Value = (u32, Vec<KeyGrant>)> {
    let grant = (20..26u8, 0..3u32).prop_map(|(seed, weight)| KeyGrant { weight, ..grant(seed) });
    (0..4u32, prop::collection::vec(grant, 0..4))
}

fn roles() -> impl Strategy<Value = Roles> {
    let roles = prop::sample::subsequence(Role::ALL.to_vec(), 0..=4);
    roles.prop_map(|roles| roles.into_iter().fold(Roles::default(), Roles::with))
}

fn instance() -> impl Strategy<Value = InstanceName> {
    prop::sample::select(vec!["admin", "asset", "transfer", "transfer"])
        .prop_map(|name| name.parse().unwrap())
}

fn parameters() -> impl Strategy<Value = Parameters> {
    let usual = Parameters::for_group_of(1);
    let changed = vec![
        Parameters { block_interval_ms_min: 50, ..usual.clone() },
        Parameters { organisation_share_percent: 100, ..usual.clone() },
        Parameters { organisation_share_percent: 101, ..usual.clone() },
        Parameters { protocol_version: 2, ..usual.clone() },
        Parameters { quorum_numerator: 1, ..usual.clone() },
        Parameters { block_weight_max: 0, ..usual },
    ];
    prop::sample::select(changed)
}

fn validators() -> impl Strategy<Value = Vec<Validator>> {
    let member =
        (30..34u8, 0..3u64).prop_map(|(seed, power)| Validator { public_key: key(seed).public_key(), power });
    // The first one stays, so that nobody has to be ready for him to go; sometimes it is all there is.
    prop::collection::vec(member, 0..4).prop_map(|mut members| {
        members.push(Validator { public_key: key(9).public_key(), power: 10 });
        members
    })
}

/// The word of one who may come, from around the time of the first blocks.
fn readiness() -> impl Strategy<Value = AdminCall> {
    (30..34u8, 0..3u64, 0..3u64).prop_map(|(seed, height, second)| {
        let chain_id = genesis(UnixSeconds(START_S)).chain_id().unwrap();
        let time = UnixSeconds(START_S + second).start();
        let readiness = Readiness::sign(&chain_id, &key(seed), (Height(height), Hash([7; 32])), time);
        AdminCall::DeclareReady(DeclareReady { readiness })
    })
}

/// A chain of one name, from around the time of the first blocks; now and then without a validator.
fn further_chain() -> impl Strategy<Value = AdminCall> {
    (0..2u64, prop::bool::weighted(0.9), any::<bool>()).prop_map(|(second, sound, create)| {
        let mut genesis = Genesis { name: "b".parse().unwrap(), ..genesis(UnixSeconds(START_S + second)) };
        genesis.validators.retain(|_| sound);
        if create {
            AdminCall::CreateChain(CreateChain { genesis })
        } else {
            AdminCall::RemoveChain(RemoveChain { chain_id: genesis.chain_id().unwrap() })
        }
    })
}

fn decision() -> impl Strategy<Value = AdminCall> {
    let organisation = prop::sample::select(vec!["A", "C", "consortium"]);
    let account = accounts().prop_map(|name| name.id());
    prop_oneof![
        organisation.clone().prop_map(|name| {
            AdminCall::AdmitOrganisation(AdmitOrganisation { organisation: name.parse().unwrap() })
        }),
        (organisation.clone(), 0..=9u8).prop_map(|(name, count)| {
            let roots = (0..count).map(|byte| Hash([byte; 32])).collect();
            AdminCall::SetRoots(SetRoots { organisation: name.parse().unwrap(), roots })
        }),
        (account, roles()).prop_map(|(account, roles)| AdminCall::SetRoles(SetRoles { account, roles })),
        parameters().prop_map(|parameters| AdminCall::SetParameters(SetParameters { parameters })),
        validators().prop_map(|validators| AdminCall::SetValidators(SetValidators { validators })),
        (instance(), instance(), 0..3u32)
            .prop_map(|(name, kind, version)| AdminCall::AddInstance(AddInstance { name, kind, version })),
        (instance(), any::<bool>())
            .prop_map(|(name, active)| AdminCall::SwitchInstance(SwitchInstance { name, active })),
    ]
}

/// Votes of the first validator, of some that may come, and of one that never votes; now and then of a height that is not
/// there yet, which nobody signed.
fn double_vote() -> impl Strategy<Value = AdminCall> {
    let block = || prop::option::of(1..3u8);
    let signer = prop::sample::select(vec![9, 9, 30, 31, 7]);
    (signer, block(), block(), 0..2u64, prop::bool::weighted(0.1)).prop_map(
        |(signer, one, two, later, ahead)| {
            let start = UnixSeconds(START_S).start();
            let chain_id = genesis(UnixSeconds(START_S)).chain_id().unwrap();
            let mut votes = votes(&chain_id, signer, [(one, start), (two, start.plus_ms(later))]);
            votes.height = if ahead { Height(u64::MAX) } else { votes.height };
            AdminCall::ReportEquivocation(ReportEquivocation { votes })
        },
    )
}

pub fn call() -> impl Strategy<Value = AdminCall> {
    prop_oneof![
        1 => (accounts(), grants()).prop_map(|(name, (threshold, keys))| {
            AdminCall::OpenAccount(OpenAccount { number: name.number, threshold, keys })
        }),
        1 => grants().prop_map(|(threshold, keys)| AdminCall::SetKeys(SetKeys { threshold, keys })),
        1 => (accounts(), grants()).prop_map(|(name, (threshold, keys))| {
            AdminCall::RecoverKeys(RecoverKeys { account: name.id(), threshold, keys })
        }),
        2 => decision(),
        1 => further_chain(),
        1 => readiness(),
        1 => double_vote(),
        1 => Just(AdminCall::Tick(Tick {})),
    ]
}

fn kind(call: &AdminCall) -> (&'static str, bool) {
    match call {
        AdminCall::OpenAccount(_) => ("open account", false),
        AdminCall::SetKeys(_) => ("set keys", false),
        AdminCall::RecoverKeys(_) => ("recover keys", false),
        AdminCall::Tick(_) => ("tick", false),
        AdminCall::ReportEquivocation(_) => ("report equivocation", false),
        AdminCall::DeclareReady(_) => ("declare ready", false),
        AdminCall::AdmitOrganisation(_) => ("admit organisation", true),
        AdminCall::SetRoots(_) => ("set roots", true),
        AdminCall::SetRoles(_) => ("set roles", true),
        AdminCall::SetParameters(_) => ("set parameters", true),
        AdminCall::SetValidators(_) => ("set validators", true),
        AdminCall::AddInstance(_) => ("add instance", true),
        AdminCall::SwitchInstance(_) => ("switch instance", true),
        AdminCall::CreateChain(_) => ("create chain", true),
        AdminCall::RemoveChain(_) => ("remove chain", true),
    }
}

/// The keys that a call grants, and the weight that it asks for.
fn granted(call: &AdminCall) -> (u32, &[KeyGrant]) {
    match call {
        AdminCall::OpenAccount(OpenAccount { threshold, keys, .. })
        | AdminCall::SetKeys(SetKeys { threshold, keys })
        | AdminCall::RecoverKeys(RecoverKeys { threshold, keys, .. }) => (*threshold, keys),
        _ => (0, &[]),
    }
}

/// An account that a call changed: by whom, and to what.
fn check_account(world: &World, caller: &Caller, call: &AdminCall, old: Option<&Account>, new: &Account) {
    let height = world.block.height;
    let id = AccountId::new(&new.organisation, &new.number);
    let old_roles = old.map(|old| old.roles).unwrap_or_default();
    assert!(new.roles == old_roles || caller.account == committee_account(), "{caller:?}: {call:?}");
    let old_keys = old.map_or(&[][..], |old| &old.keys);
    if new.keys == old_keys {
        return;
    }
    let own = caller.organisation == new.organisation && caller.roles.has(Role::Operator);
    assert!(own || caller.account == id, "{caller:?} gave keys to {id}: {call:?}");
    let (threshold, grants) = granted(call);
    let next: Vec<_> = new.keys.iter().filter(|key| key.is_active(height.next())).collect();
    let next: BTreeSet<_> = next.iter().map(|key| (key.key, key.weight)).collect();
    let expected: BTreeSet<_> = grants.iter().map(|grant| (grant.key, grant.weight)).collect();
    assert_eq!((new.threshold, next), (threshold, expected), "these keys count and no others: {call:?}");
    assert!(threshold >= 1 && new.weight(height.next(), |_| true) >= u64::from(threshold), "{call:?}");
    // Whoever could sign until now still can in this block, and a proof of it is kept.
    let history = old_keys.iter().filter(|key| key.from <= height);
    for (before, after) in history.zip(&new.keys) {
        assert_eq!((before.key, before.weight, before.from), (after.key, after.weight, after.from));
        assert_eq!(before.is_active(height), after.is_active(height));
    }
}

fn check(before: &World, after: &World, caller: &Caller, call: &AdminCall, outcome: &Outcome) {
    let is_committee = caller.account == committee_account();
    let (name, is_decision) = kind(call);
    assert!(is_committee || !is_decision || outcome.result.is_err(), "{caller:?} did {name}");
    assert!(outcome.writes.keys().all(|store| *store == ADMIN), "{call:?} left the admin store");
    let mut written = outcome.writes.get(&ADMIN).into_iter().flat_map(|batch| batch.keys());
    if let (AdminCall::ReportEquivocation(call), Ok(())) = (call, &outcome.result) {
        let key = AdminKey::equivocation(&call.votes);
        assert!(written.eq([&key.bytes()]) && before.admin(&key).is_none(), "once, and nothing else");
        let record: Equivocation = after.record(&key).unwrap();
        assert_eq!((&record.votes, record.reporter), (&call.votes, caller.account));
    } else if let (AdminCall::DeclareReady(call), None) = (call, reason(outcome)) {
        let validator = call.readiness.address();
        let own = AdminKey::Readiness(&validator).bytes();
        assert!(written.all(|key| *key == own), "its own word and nothing else");
        assert_eq!(after.readiness(&validator), Some(call.readiness.clone()));
    } else {
        assert!(is_committee || written.all(|key| key[0] == 1), "{caller:?} changed more than accounts");
    }
    for (id, new) in after.all_accounts() {
        assert_eq!(id, AccountId::new(&new.organisation, &new.number));
        assert!(after.is_member(&new.organisation));
        let old = before.account(&id);
        if old.as_ref() != Some(&new) {
            check_account(after, caller, call, old.as_ref(), &new);
        }
    }
}

/// One step: who calls, and whether a new block begins before.
fn step() -> impl Strategy<Value = (AccountName, AdminCall, bool)> {
    let committee = crate::common::name("consortium", "committee");
    (prop_oneof![2 => accounts(), 1 => Just(committee)], call(), prop::bool::weighted(0.4))
}

#[test]
fn no_order_of_calls_gives_anybody_more_than_he_was_granted() {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let outcomes = RefCell::new(BTreeSet::new());
    let run = |steps: Vec<(AccountName, AdminCall, bool)>| {
        let mut world = World::new();
        for (name, call, next) in steps {
            if next {
                world.next_block();
            }
            let Some(caller) = world.caller(&name) else { continue };
            let before = world.clone();
            let outcome = world.call("admin", &caller, &call.encode());
            check(&before, &world, &caller, &call, &outcome);
            outcomes.borrow_mut().insert((kind(&call).0, reason(&outcome)));
        }
        Ok(())
    };
    TestRunner::new(config).run(&prop::collection::vec(step(), 1..40), run).unwrap();
    let outcomes = outcomes.into_inner();
    let succeeded = outcomes.iter().filter(|(_, reason)| reason.is_none()).count();
    assert_eq!(succeeded, 15, "not every call ever succeeded: {outcomes:?}");
    for reason in [Reason::NotAuthorised, Reason::InvalidArgument, Reason::AlreadyExists, Reason::NotFound] {
        assert!(outcomes.iter().any(|(_, seen)| *seen == Some(reason)), "{reason:?} was never the reason");
    }
}
