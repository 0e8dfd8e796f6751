//! Governance: organisations, accounts and their keys, roles, parameters, validators, app instances, further chains; the
//! tick, and reports of validators that voted twice.
//!
//! | Call | Who may |
//! |---|---|
//! | admit organisation, set its roots, roles, parameters, validators, add or switch instances, create or remove chains | the committee (m of n keys) |
//! | open an account, set its first keys, recover its keys | an operator of its organisation |
//! | change an account's keys | the account itself, at its threshold |
//! | say that a validator is ready | anybody known: its signature proves it |
//! | tick | anybody known; admission limits it to one a second |
//! | report two votes of a validator for one step | anybody known: the signatures prove it |
//!
//! A tick changes nothing. It makes a block, so that a header with a later time exists.

mod calls;
mod chains;
mod equivocation;
mod messages;
mod validators;

pub use validators::READY_MS_MAX;

pub use messages::{
    AddInstance, AdminCall, AdmitOrganisation, CreateChain, DeclareReady, OpenAccount, RecoverKeys,
    RemoveChain, ReportEquivocation, SetKeys, SetParameters, SetRoles, SetRoots, SetValidators,
    SwitchInstance, Tick,
};

use catenary_ledger::{Access, App, Caller, Checked, Ctx, Failure, View};
use catenary_types::{Message, WireError};

/// The kind under which the app is registered.
pub const KIND: &str = "admin";

/// The app.
#[derive(Clone, Copy, Debug, Default)]
pub struct Admin;

impl App for Admin {
    type Message = AdminCall;

    fn decode(&self, bytes: &[u8]) -> Result<AdminCall, WireError> {
        AdminCall::decode(bytes)
    }

    fn weight(&self, message: &AdminCall) -> u64 {
        match message {
            AdminCall::OpenAccount(call) => 15 + 2 * call.keys.len() as u64,
            AdminCall::SetKeys(SetKeys { keys, .. }) | AdminCall::RecoverKeys(RecoverKeys { keys, .. }) => {
                15 + 2 * keys.len() as u64
            }
            AdminCall::SetValidators(call) => 20 + 8 * call.validators.len() as u64,
            // A signature.
            AdminCall::DeclareReady(_) => 60,
            AdminCall::AdmitOrganisation(_)
            | AdminCall::SetRoots(_)
            | AdminCall::SetRoles(_)
            | AdminCall::SetParameters(_)
            | AdminCall::AddInstance(_)
            | AdminCall::SwitchInstance(_)
            | AdminCall::RemoveChain(_) => 20,
            // The set of validators is checked.
            AdminCall::CreateChain(call) => 100 + 5 * call.genesis.validators.len() as u64,
            // Two signatures, and the sets in which the validator is looked for.
            AdminCall::ReportEquivocation(_) => 120,
            AdminCall::Tick(_) => 1,
        }
    }

    fn admit(&self, message: &AdminCall, state: &dyn View) -> Result<(), Failure> {
        let AdminCall::ReportEquivocation(call) = message else { return Ok(()) };
        equivocation::admit(call, state)
    }

    fn access(&self, caller: &Caller, message: &AdminCall) -> Access {
        calls::access(caller, message)
    }

    fn execute(&self, call: Checked<AdminCall>, ctx: &mut Ctx<'_, '_>) -> Result<(), Failure> {
        match call.into_inner() {
            AdminCall::AdmitOrganisation(call) => calls::admit_organisation(ctx, &call),
            AdminCall::OpenAccount(call) => calls::open_account(ctx, &call),
            AdminCall::SetKeys(call) => calls::set_keys(ctx, &call),
            AdminCall::RecoverKeys(call) => calls::recover_keys(ctx, &call),
            AdminCall::SetRoots(call) => calls::set_roots(ctx, &call),
            AdminCall::SetRoles(call) => calls::set_roles(ctx, &call),
            AdminCall::SetParameters(call) => calls::set_parameters(ctx, &call),
            AdminCall::SetValidators(call) => validators::set_validators(ctx, &call),
            AdminCall::DeclareReady(call) => validators::declare_ready(ctx, &call),
            AdminCall::AddInstance(call) => calls::add_instance(ctx, &call),
            AdminCall::SwitchInstance(call) => calls::switch_instance(ctx, &call),
            AdminCall::CreateChain(call) => chains::create(ctx, &call),
            AdminCall::RemoveChain(call) => chains::remove(ctx, &call),
            AdminCall::ReportEquivocation(call) => equivocation::report(ctx, &call),
            AdminCall::Tick(Tick {}) => Ok(()),
        }
    }
}
