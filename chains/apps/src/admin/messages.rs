//! Calls of the `admin` app.

use crate::accounts::KeyGrant;
use catenary_crypto::Hash;
use catenary_ledger::records::Roles;
use catenary_types::{
    AccountId, AccountNumber, ChainId, DoubleVote, Genesis, InstanceName, Organisation, Parameters,
    Readiness, Validator,
};

catenary_types::oneof! {
    /// A call of the `admin` app.
    pub enum AdminCall {
        /// A new member.
        1 => AdmitOrganisation(AdmitOrganisation),
        /// A new account of the caller's organisation, or first keys for one that a credit opened.
        2 => OpenAccount(OpenAccount),
        /// New keys for the caller's own account.
        3 => SetKeys(SetKeys),
        /// New keys for an account of the caller's organisation whose holder lost his.
        4 => RecoverKeys(RecoverKeys),
        /// New roles for an account.
        5 => SetRoles(SetRoles),
        /// New parameters, in force from the next block.
        6 => SetParameters(SetParameters),
        /// A new validator set, in force from the block after next.
        7 => SetValidators(SetValidators),
        /// A new app instance.
        8 => AddInstance(AddInstance),
        /// Whether calls reach an instance.
        9 => SwitchInstance(SwitchInstance),
        /// Nothing but a block.
        10 => Tick(Tick),
        /// Two votes of one validator for one step.
        11 => ReportEquivocation(ReportEquivocation),
        /// New certificate authorities for an organisation.
        12 => SetRoots(SetRoots),
        /// A further chain, run by the nodes that have this one as their registry.
        13 => CreateChain(CreateChain),
        /// The end of a chain that was created here.
        14 => RemoveChain(RemoveChain),
        /// A validator, or who is to become one, is ready.
        15 => DeclareReady(DeclareReady),
    }
}

catenary_types::message! {
    /// Takes an organisation into the consortium.
    pub struct AdmitOrganisation {
        /// Its name.
        1 => organisation: Organisation,
    }

    /// Opens an account of the caller's organisation.
    pub struct OpenAccount {
        /// The organisation's number for it.
        1 => number: AccountNumber,
        /// Weight that must sign.
        2 => threshold: u32,
        /// Its first keys.
        3 => keys: Vec<KeyGrant>,
    }

    /// Replaces the keys of the caller's account.
    pub struct SetKeys {
        /// Weight that must sign.
        1 => threshold: u32,
        /// Keys from the next block on.
        2 => keys: Vec<KeyGrant>,
    }

    /// Replaces the keys of an account of the caller's organisation.
    pub struct RecoverKeys {
        /// The account.
        1 => account: AccountId,
        /// Weight that must sign.
        2 => threshold: u32,
        /// Keys from the next block on.
        3 => keys: Vec<KeyGrant>,
    }

    /// Replaces the roles of an account.
    pub struct SetRoles {
        /// The account.
        1 => account: AccountId,
        /// One bit per role, at the role's number.
        2 => roles: Roles,
    }

    /// Replaces the parameters.
    pub struct SetParameters {
        /// All of them.
        1 => parameters: Parameters,
    }

    /// Replaces the validator set.
    pub struct SetValidators {
        /// In any order.
        1 => validators: Vec<Validator>,
    }

    /// Adds an app instance.
    pub struct AddInstance {
        /// Its name.
        1 => name: InstanceName,
        /// The code it runs.
        2 => kind: InstanceName,
        /// Version of that code.
        3 => version: u32,
    }

    /// Switches an instance on or off.
    pub struct SwitchInstance {
        /// Its name.
        1 => name: InstanceName,
        /// Whether calls reach it.
        2 => active: bool,
    }

    /// Asks for a block.
    pub struct Tick {}

    /// Reports that a validator voted twice in one step.
    pub struct ReportEquivocation {
        /// The proof.
        1 => votes: DoubleVote,
    }

    /// Replaces the certificate authorities of an organisation.
    pub struct SetRoots {
        /// The organisation.
        1 => organisation: Organisation,
        /// SHA-256 of the DER of each root certificate that certifies its nodes.
        2 => roots: Vec<Hash>,
    }

    /// Creates a chain.
    pub struct CreateChain {
        /// What it starts from.
        1 => genesis: Genesis,
    }

    /// Ends a chain: its nodes stop it and delete what they keep of it.
    pub struct RemoveChain {
        /// Which.
        1 => chain_id: ChainId,
    }

    /// Says that a validator is ready.
    pub struct DeclareReady {
        /// Its word.
        1 => readiness: Readiness,
    }
}
