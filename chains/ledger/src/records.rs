//! What the ledger itself reads in the `admin` store: accounts, organisations, instances, parameters, validators.
//!
//! | Key | Value |
//! |---|---|
//! | `01 ‖ account (20)` | [`Account`] |
//! | `02 ‖ length ‖ organisation` | [`OrganisationRecord`] |
//! | `03 ‖ length ‖ instance` | [`Instance`] |
//! | `04` | [`Parameters`] |
//! | `05` | [`Validators`]: the set that signs the block after next |
//! | `06` | [`PastValidators`]: sets that were replaced, for reports of equivocation |
//! | `07 ‖ validator (20) ‖ height (8) ‖ round (4) ‖ kind (1)` | [`Equivocation`] |
//! | `08 ‖ length ‖ chain name` | [`ChainRecord`] |
//! | `09 ‖ validator (20)` | [`Readiness`]: what it said last |
//!
//! Numbers in keys are big-endian; the kind of a vote is CometBFT's number for it.
//!
//! The committee that governs is an ordinary account with m-of-n keys, [`committee_account`].

use crate::{
    overlay::{Overlay, View},
    stores::ADMIN,
};
use catenary_crypto::Hash;
use catenary_types::{
    AccountId, AccountNumber, Address, ChainId, ChainName, DoubleVote, Height, InstanceName, Message,
    Organisation, Parameters, Readiness, Timestamp, Validator, VoteKind,
    genesis::{AccountKey, Role},
    wire::{Field, Reader, WireError},
};

/// Key of a record in the `admin` store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminKey<'a> {
    /// An account.
    Account(&'a AccountId),
    /// An organisation.
    Organisation(&'a Organisation),
    /// An app instance.
    Instance(&'a InstanceName),
    /// The parameters.
    Parameters,
    /// The set of the block after next.
    Validators,
    /// Sets that were replaced.
    PastValidators,
    /// Two votes for one step.
    Equivocation {
        /// Whose.
        validator: &'a Address,
        /// Height voted on.
        height: Height,
        /// Round voted in.
        round: u32,
        /// Prevotes or precommits.
        kind: VoteKind,
    },
    /// The newest chain of a name that was created here.
    Chain(&'a ChainName),
    /// A validator's last word that it is ready.
    Readiness(&'a Address),
}

impl<'a> AdminKey<'a> {
    /// The key of what these two votes prove.
    pub fn equivocation(votes: &'a DoubleVote) -> Self {
        let DoubleVote { validator, height, round, kind, .. } = votes;
        Self::Equivocation { validator, height: *height, round: *round, kind: *kind }
    }
}

impl AdminKey<'_> {
    /// Whether bytes are the key of an organisation.
    pub(crate) fn is_organisation(bytes: &[u8]) -> bool {
        bytes.first() == Some(&2)
    }

    /// Whether bytes are the key of a chain.
    pub(crate) fn is_chain(bytes: &[u8]) -> bool {
        bytes.first() == Some(&8)
    }

    /// The bytes under which the record stands.
    pub fn bytes(&self) -> Vec<u8> {
        let text = |tag: u8, text: &str| {
            let length = u8::try_from(text.len()).expect("identifiers are shorter than 256 bytes");
            [&[tag, length], text.as_bytes()].concat()
        };
        match self {
            Self::Account(id) => [&[1], &id.0[..]].concat(),
            Self::Organisation(organisation) => text(2, organisation.as_str()),
            Self::Instance(instance) => text(3, instance.as_str()),
            Self::Parameters => vec![4],
            Self::Validators => vec![5],
            Self::PastValidators => vec![6],
            Self::Equivocation { validator, height, round, kind } => {
                [&[7], &validator.0[..], &height.0.to_be_bytes(), &round.to_be_bytes(), &[kind.number()]]
                    .concat()
            }
            Self::Chain(name) => text(8, name.as_str()),
            Self::Readiness(validator) => [&[9], &validator.0[..]].concat(),
        }
    }
}

/// A set of roles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles(u32);

impl Roles {
    /// Whether the role is in the set.
    pub fn has(self, role: Role) -> bool {
        self.0 & 1 << role.number() != 0
    }

    /// The set with the role.
    #[must_use]
    pub fn with(self, role: Role) -> Self {
        Self(self.0 | 1 << role.number())
    }

    /// The set without the role.
    #[must_use]
    pub fn without(self, role: Role) -> Self {
        Self(self.0 & !(1 << role.number()))
    }

    /// The roles in order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.has(*role))
    }
}

impl Field for Roles {
    fn write(&self, number: u32, out: &mut Vec<u8>) {
        self.0.write(number, out);
    }

    fn read(number: u32, input: &mut Reader<'_>) -> Result<Self, WireError> {
        let roles = Self(u32::read(number, input)?);
        let known = roles.iter().fold(Self::default(), Self::with);
        let error = || WireError::Value { number, reason: "a bit is no role".into() };
        (known == roles).then_some(roles).ok_or_else(error)
    }
}

catenary_types::message! {
    /// An account. A credit can open it before it has any key.
    pub struct Account {
        /// Whose it is.
        1 => organisation: Organisation,
        /// The organisation's number for it.
        2 => number: AccountNumber,
        /// Weight that must sign; 0 while there is no key, and then nobody can sign.
        3 => threshold: u32,
        /// Keys, past ones included, so that old signatures stay verifiable.
        4 => keys: Vec<AccountKey>,
        /// What it may do beyond its own money: one bit per role, at the role's number.
        5 => roles: Roles,
        /// Where it was opened; 0 at genesis.
        6 => opened: Height,
    }

    /// A member of the consortium.
    pub struct OrganisationRecord {
        /// Where it joined; 0 at genesis.
        1 => joined: Height,
        /// Its name again: a record is never empty.
        2 => name: Organisation,
        /// SHA-256 of the DER of each root certificate that certifies its nodes.
        3 => roots: Vec<Hash>,
    }

    /// An app instance.
    pub struct Instance {
        /// The code it runs.
        1 => kind: InstanceName,
        /// Version of that code.
        2 => version: u32,
        /// Whether calls reach it.
        3 => active: bool,
    }

    /// A validator set as state.
    pub struct Validators {
        /// In canonical order.
        1 => validators: Vec<Validator>,
    }

    /// Sets that may still be reported.
    pub struct PastValidators {
        /// In the order in which they were replaced.
        1 => sets: Vec<PastSet>,
    }

    /// A validator set that another one took the place of.
    pub struct PastSet {
        /// In canonical order.
        1 => validators: Vec<Validator>,
        /// Time of the block that replaced it.
        2 => replaced: Timestamp,
    }

    /// That a validator voted twice in one step.
    pub struct Equivocation {
        /// The proof.
        1 => votes: DoubleVote,
        /// Who reported it first.
        2 => reporter: AccountId,
        /// In which block.
        3 => reported: Height,
    }

    /// A chain that was created here: the newest one of its name.
    pub struct ChainRecord {
        /// Its id.
        1 => chain_id: ChainId,
        /// Encoding of its genesis document; empty once it is removed.
        2 => genesis: Vec<u8>,
        /// In which block of this chain it was created.
        3 => created: Height,
        /// Time of the block that removed it; 0 while it runs.
        4 => removed: Timestamp,
    }
}

impl ChainRecord {
    /// Whether the chain was removed.
    pub fn is_removed(&self) -> bool {
        self.removed != Timestamp(0)
    }
}

impl Account {
    /// The weight of keys that count at a height, out of those for which `signed` holds.
    pub fn weight(&self, height: Height, signed: impl Fn(&AccountKey) -> bool) -> u64 {
        let counts = |key: &&AccountKey| key.is_active(height) && signed(key);
        self.keys.iter().filter(counts).map(|key| u64::from(key.weight)).sum()
    }
}

/// The organisation that stands for the consortium as a whole. No other may take its name.
pub fn consortium() -> Organisation {
    "consortium".parse().expect("a valid organisation")
}

/// The account that governs the chain.
pub fn committee_account() -> AccountId {
    AccountId::new(&consortium(), &"committee".parse().expect("a valid account number"))
}

/// The instance whose name the ledger's own events carry.
pub(crate) fn admin_instance() -> InstanceName {
    "admin".parse().expect("a valid instance name")
}

/// Anything that records can be read from.
pub trait ReadRecords {
    /// The bytes under a key of the `admin` store.
    fn admin(&self, key: &AdminKey<'_>) -> Option<Vec<u8>>;

    /// An account.
    fn account(&self, id: &AccountId) -> Option<Account> {
        self.record(&AdminKey::Account(id))
    }

    /// An app instance.
    fn instance(&self, name: &InstanceName) -> Option<Instance> {
        self.record(&AdminKey::Instance(name))
    }

    /// A member of the consortium.
    fn organisation(&self, name: &Organisation) -> Option<OrganisationRecord> {
        self.record(&AdminKey::Organisation(name))
    }

    /// The newest chain of a name that was created here.
    fn created_chain(&self, name: &ChainName) -> Option<ChainRecord> {
        self.record(&AdminKey::Chain(name))
    }

    /// What a validator said last of its being ready.
    fn readiness(&self, validator: &Address) -> Option<Readiness> {
        self.record(&AdminKey::Readiness(validator))
    }

    /// Whether an organisation is a member.
    fn is_member(&self, organisation: &Organisation) -> bool {
        self.admin(&AdminKey::Organisation(organisation)).is_some()
    }

    /// The parameters.
    fn parameters(&self) -> Parameters {
        self.record(&AdminKey::Parameters).expect("genesis writes the parameters")
    }

    /// The set of the block after next.
    fn validators(&self) -> Vec<Validator> {
        let record: Validators = self.record(&AdminKey::Validators).expect("genesis writes the validators");
        record.validators
    }

    /// Sets that were replaced, some of them perhaps too long ago to count.
    fn past_validators(&self) -> Vec<PastSet> {
        let record: Option<PastValidators> = self.record(&AdminKey::PastValidators);
        record.map(|record| record.sets).unwrap_or_default()
    }

    /// A record of the `admin` store.
    fn record<M: Message>(&self, key: &AdminKey<'_>) -> Option<M> {
        let bytes = self.admin(key)?;
        Some(M::decode(&bytes).expect("only this code writes the admin store"))
    }
}

impl ReadRecords for Overlay<'_> {
    fn admin(&self, key: &AdminKey<'_>) -> Option<Vec<u8>> {
        self.get(ADMIN, &key.bytes())
    }
}

impl ReadRecords for crate::ctx::Ctx<'_, '_> {
    fn admin(&self, key: &AdminKey<'_>) -> Option<Vec<u8>> {
        self.get(ADMIN, &key.bytes())
    }
}

impl<V: View> ReadRecords for V {
    fn admin(&self, key: &AdminKey<'_>) -> Option<Vec<u8>> {
        self.get(ADMIN, &key.bytes())
    }
}
