//! What the calls of the `admin` app do.

use super::{
    equivocation::replace_set,
    messages::{
        AddInstance, AdminCall, AdmitOrganisation, OpenAccount, RecoverKeys, SetKeys, SetParameters,
        SetRoles, SetRoots, SetValidators, SwitchInstance,
    },
};
use crate::accounts::{AccountName, assert_is, put, replace_keys, require_member};
use catenary_ledger::{
    Access, AccessKey, Caller, Ctx, Failure, Reason, attribute,
    records::{Account, AdminKey, Instance, OrganisationRecord, ReadRecords, Roles, committee_account},
    stores::ADMIN,
};
use catenary_types::{
    AccountId, Message, Parameters, ValidatorSet,
    genesis::Role,
    limits::{BLOCK_BYTES_MAX, ROOTS_MAX},
};
use std::collections::BTreeSet;

/// Protocol versions that this code knows.
const PROTOCOL_VERSION_MAX: u64 = 1;

pub(super) fn admit_organisation(ctx: &mut Ctx<'_, '_>, call: &AdmitOrganisation) -> Result<(), Failure> {
    require_committee(ctx)?;
    if ctx.is_member(&call.organisation) {
        return Err(exists(format!("{} is a member", call.organisation)));
    }
    let record =
        OrganisationRecord { joined: ctx.height(), name: call.organisation.clone(), roots: Vec::new() };
    ctx.put(ADMIN, AdminKey::Organisation(&call.organisation).bytes(), record.encode());
    ctx.emit("organisation_admitted", vec![attribute("organisation", &call.organisation)]);
    Ok(())
}

pub(super) fn set_roots(ctx: &mut Ctx<'_, '_>, call: &SetRoots) -> Result<(), Failure> {
    require_committee(ctx)?;
    let missing = || Failure::new(Reason::NotFound, format!("organisation {}", call.organisation));
    let record = ctx.organisation(&call.organisation).ok_or_else(missing)?;
    if call.roots.len() > ROOTS_MAX {
        let detail = format!("expected at most {ROOTS_MAX} roots, got {}", call.roots.len());
        return Err(Failure::new(Reason::InvalidArgument, detail));
    }
    let record = OrganisationRecord { roots: call.roots.clone(), ..record };
    ctx.put(ADMIN, AdminKey::Organisation(&call.organisation).bytes(), record.encode());
    ctx.emit("roots_changed", vec![attribute("organisation", &call.organisation)]);
    Ok(())
}

pub(super) fn open_account(ctx: &mut Ctx<'_, '_>, call: &OpenAccount) -> Result<(), Failure> {
    ctx.caller().require(Role::Operator)?;
    let organisation = ctx.caller().organisation.clone();
    require_member(ctx, &organisation)?;
    let name = AccountName { organisation, number: call.number.clone() };
    let id = name.id();
    let mut account = ctx.account(&id).unwrap_or(Account {
        organisation: name.organisation.clone(),
        number: name.number.clone(),
        threshold: 0,
        keys: Vec::new(),
        roles: Roles::default(),
        opened: ctx.height(),
    });
    assert_is(&account, &name);
    if !account.keys.is_empty() {
        return Err(exists(format!("account {} of {} has its keys", name.number, name.organisation)));
    }
    replace_keys(ctx, &mut account, call.threshold, &call.keys)?;
    put(ctx, &id, &account);
    Ok(())
}

pub(super) fn set_keys(ctx: &mut Ctx<'_, '_>, call: &SetKeys) -> Result<(), Failure> {
    let id = ctx.caller().account;
    let mut account = require_account(ctx, &id)?;
    replace_keys(ctx, &mut account, call.threshold, &call.keys)?;
    put(ctx, &id, &account);
    Ok(())
}

pub(super) fn recover_keys(ctx: &mut Ctx<'_, '_>, call: &RecoverKeys) -> Result<(), Failure> {
    ctx.caller().require(Role::Operator)?;
    let mut account = require_account(ctx, &call.account)?;
    if account.organisation != ctx.caller().organisation {
        let detail = format!("account {} belongs to {}", call.account, account.organisation);
        return Err(Failure::new(Reason::NotAuthorised, detail));
    }
    replace_keys(ctx, &mut account, call.threshold, &call.keys)?;
    put(ctx, &call.account, &account);
    Ok(())
}

pub(super) fn set_roles(ctx: &mut Ctx<'_, '_>, call: &SetRoles) -> Result<(), Failure> {
    require_committee(ctx)?;
    let mut account = require_account(ctx, &call.account)?;
    account.roles = call.roles;
    put(ctx, &call.account, &account);
    Ok(())
}

pub(super) fn set_parameters(ctx: &mut Ctx<'_, '_>, call: &SetParameters) -> Result<(), Failure> {
    require_committee(ctx)?;
    check_parameters(&ctx.parameters(), &call.parameters)?;
    ctx.put(ADMIN, AdminKey::Parameters.bytes(), call.parameters.encode());
    ctx.emit("parameters_changed", vec![attribute("hash", call.parameters.hash())]);
    Ok(())
}

pub(super) fn set_validators(ctx: &mut Ctx<'_, '_>, call: &SetValidators) -> Result<(), Failure> {
    require_committee(ctx)?;
    let invalid =
        |error: catenary_types::FormatError| Failure::new(Reason::InvalidArgument, error.to_string());
    let set = ValidatorSet::new(call.validators.clone()).map_err(invalid)?;
    if ctx.parameters().counts_heads() && !set.has_equal_powers() {
        let detail = "this chain's consensus counts heads: expected validators of equal power";
        return Err(Failure::new(Reason::InvalidArgument, detail));
    }
    replace_set(ctx, set.validators().to_vec());
    ctx.emit("validators_changed", vec![attribute("hash", set.hash())]);
    Ok(())
}

pub(super) fn add_instance(ctx: &mut Ctx<'_, '_>, call: &AddInstance) -> Result<(), Failure> {
    require_committee(ctx)?;
    if ctx.instance(&call.name).is_some() {
        return Err(exists(format!("instance {}", call.name)));
    }
    // The keys of an app do not carry the instance, so a second one of a kind would share the first one's money.
    if call.name != call.kind {
        let detail = format!("expected the name {0}: one instance of {0} fits a chain", call.kind);
        return Err(Failure::new(Reason::InvalidArgument, detail));
    }
    let record = Instance { kind: call.kind.clone(), version: call.version, active: true };
    ctx.put(ADMIN, AdminKey::Instance(&call.name).bytes(), record.encode());
    ctx.emit("instance_added", vec![attribute("name", &call.name), attribute("version", call.version)]);
    Ok(())
}

pub(super) fn switch_instance(ctx: &mut Ctx<'_, '_>, call: &SwitchInstance) -> Result<(), Failure> {
    require_committee(ctx)?;
    if call.name.as_str() == super::KIND && !call.active {
        return Err(Failure::new(Reason::InvalidArgument, "without admin nobody could switch it on again"));
    }
    let missing = || Failure::new(Reason::NotFound, format!("instance {}", call.name));
    let record = Instance { active: call.active, ..ctx.instance(&call.name).ok_or_else(missing)? };
    ctx.put(ADMIN, AdminKey::Instance(&call.name).bytes(), record.encode());
    ctx.emit("instance_switched", vec![attribute("name", &call.name), attribute("active", call.active)]);
    Ok(())
}

/// What a call touches; governance is rare and runs alone.
pub(super) fn access(caller: &Caller, message: &AdminCall) -> Access {
    let account = |id: &AccountId| (ADMIN, AdminKey::Account(id).bytes());
    let keys = |reads: &[AccessKey], writes: &[AccessKey]| Access::Keys {
        reads: reads.iter().cloned().collect(),
        writes: writes.iter().cloned().collect(),
        adds: BTreeSet::new(),
    };
    match message {
        AdminCall::Tick(_) => keys(&[], &[]),
        AdminCall::SetKeys(_) => keys(&[], &[account(&caller.account)]),
        AdminCall::RecoverKeys(call) => keys(&[], &[account(&call.account)]),
        AdminCall::OpenAccount(call) => {
            let id = AccountId::new(&caller.organisation, &call.number);
            let organisation = (ADMIN, AdminKey::Organisation(&caller.organisation).bytes());
            keys(&[organisation], &[account(&id)])
        }
        AdminCall::ReportEquivocation(call) => {
            let sets = [AdminKey::Validators, AdminKey::PastValidators].map(|key| (ADMIN, key.bytes()));
            keys(&sets, &[(ADMIN, AdminKey::equivocation(&call.votes).bytes())])
        }
        AdminCall::AdmitOrganisation(_)
        | AdminCall::SetRoots(_)
        | AdminCall::SetRoles(_)
        | AdminCall::SetParameters(_)
        | AdminCall::SetValidators(_)
        | AdminCall::AddInstance(_)
        | AdminCall::SwitchInstance(_) => Access::Any,
    }
}

/// A change of parameters must leave a chain that can go on.
fn check_parameters(old: &Parameters, new: &Parameters) -> Result<(), Failure> {
    let rules = [
        (
            (old.protocol_version..=PROTOCOL_VERSION_MAX).contains(&new.protocol_version),
            "protocol_version: expected the present one or a newer one that this code knows",
        ),
        (
            (new.quorum_numerator, new.quorum_denominator, new.trust)
                == (old.quorum_numerator, old.quorum_denominator, old.trust),
            "quorum and trust are fixed at genesis",
        ),
        ((1..=60_000).contains(&new.block_interval_ms_min), "block_interval_ms_min: expected 1 to 60,000"),
        ((60..=30 * 86_400).contains(&new.idle_interval_s), "idle_interval_s: expected a minute to 30 days"),
        ((60..=86_400).contains(&new.validity_window_s), "validity_window_s: expected a minute to a day"),
        (
            (100_000..=1_000_000_000).contains(&new.block_weight_max),
            "block_weight_max: expected 10^5 to 10^9",
        ),
        (
            (1 << 20..=BLOCK_BYTES_MAX as u64).contains(&new.block_bytes_max),
            "block_bytes_max: expected 1 to 8 MiB",
        ),
        (
            (1..=100).contains(&new.organisation_share_percent),
            "organisation_share_percent: expected 1 to 100",
        ),
        ((10..=10_000).contains(&new.clock_precision_ms), "clock_precision_ms: expected 10 to 10,000"),
        ((100..=60_000).contains(&new.proposal_delay_ms), "proposal_delay_ms: expected 100 to 60,000"),
    ];
    match rules.iter().find(|(holds, _)| !holds) {
        None => Ok(()),
        Some((_, rule)) => Err(Failure::new(Reason::InvalidArgument, *rule)),
    }
}

fn require_committee(ctx: &Ctx<'_, '_>) -> Result<(), Failure> {
    if ctx.caller().account == committee_account() {
        return Ok(());
    }
    Err(Failure::new(Reason::NotAuthorised, "only the committee may do this"))
}

fn require_account(ctx: &Ctx<'_, '_>, id: &AccountId) -> Result<Account, Failure> {
    ctx.account(id).ok_or_else(|| Failure::new(Reason::NotFound, format!("account {id}")))
}

fn exists(detail: String) -> Failure {
    Failure::new(Reason::AlreadyExists, detail)
}
