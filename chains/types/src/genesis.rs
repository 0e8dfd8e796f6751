//! The genesis document: everything a chain starts from, under one hash that becomes part of its id.

use crate::{
    ids::{AccountNumber, ChainId, ChainName, IdError, InstanceName, Organisation},
    parameters::Parameters,
    time::{Height, Timestamp},
    validator::Validator,
    wire::{Field, Message, Reader, WireError},
};
use catenary_crypto::{Hash, PublicKey, sha256};

/// What an account may do beyond its own money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Mints and burns the assets of its organisation.
    Issuer,
    /// Manages the accounts of its organisation.
    Operator,
    /// Relays packets and manages light clients.
    Relayer,
    /// Freezes accounts of any organisation.
    Regulator,
}

impl Role {
    /// All roles, in order of their numbers.
    pub const ALL: [Self; 4] = [Self::Issuer, Self::Operator, Self::Relayer, Self::Regulator];

    /// The number on the wire.
    pub fn number(self) -> u32 {
        match self {
            Self::Issuer => 1,
            Self::Operator => 2,
            Self::Relayer => 3,
            Self::Regulator => 4,
        }
    }

    /// The published name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Issuer => "issuer",
            Self::Operator => "operator",
            Self::Relayer => "relayer",
            Self::Regulator => "regulator",
        }
    }
}

impl Field for Role {
    fn write(&self, number: u32, out: &mut Vec<u8>) {
        self.number().write(number, out);
    }

    fn read(number: u32, input: &mut Reader<'_>) -> Result<Self, WireError> {
        let value = u32::read(number, input)?;
        let known = Self::ALL.into_iter().find(|role| role.number() == value);
        known.ok_or_else(|| WireError::Value {
            number,
            reason: format!("expected a role of 1 to 4, got {value}"),
        })
    }
}

/// Consensus kind: Byzantine fault tolerant voting.
pub const CONSENSUS_BFT: u32 = 1;
/// Consensus kind: a replicated log, which bears crashes and no lies.
pub const CONSENSUS_RAFT: u32 = 2;
/// Suite 1: Ed25519 (ZIP-215) and SHA-256.
pub const SUITE_ED25519_SHA256: u32 = 1;

crate::message! {
    /// A chain's beginning. The id is not part of it: it follows from the hash.
    pub struct Genesis {
        /// What people call the chain.
        1 => name: ChainName,
        /// From 1 on; a new genesis of the same chain (recovery, export) takes the next.
        2 => revision: u32,
        /// [`SUITE_ED25519_SHA256`].
        3 => suite: u32,
        /// [`CONSENSUS_BFT`] or [`CONSENSUS_RAFT`].
        4 => consensus: u32,
        /// Counts as the time of header 0.
        5 => time: Timestamp,
        /// First parameters.
        6 => parameters: Parameters,
        /// The set of heights 1 and 2.
        7 => validators: Vec<Validator>,
        /// Who may govern.
        8 => committee: Committee,
        /// First members of the consortium.
        9 => organisations: Vec<Organisation>,
        /// First accounts.
        10 => accounts: Vec<GenesisAccount>,
        /// First app instances.
        11 => instances: Vec<GenesisInstance>,
        /// Certificate authorities of first members.
        12 => roots: Vec<GenesisRoots>,
    }

    /// Which authorities certify the nodes of an organisation.
    pub struct GenesisRoots {
        /// The organisation.
        1 => organisation: Organisation,
        /// SHA-256 of the DER of each root certificate.
        2 => roots: Vec<Hash>,
    }

    /// m-of-n keys that govern a chain.
    pub struct Committee {
        /// How many keys must sign.
        1 => threshold: u32,
        /// The keys.
        2 => keys: Vec<PublicKey>,
    }

    /// An account that exists from the start.
    pub struct GenesisAccount {
        /// Whose it is.
        1 => organisation: Organisation,
        /// The organisation's number for it.
        2 => number: AccountNumber,
        /// Weight that must sign.
        3 => threshold: u32,
        /// Its keys.
        4 => keys: Vec<AccountKey>,
        /// Its roles.
        5 => roles: Vec<GenesisRole>,
    }

    /// A role given at genesis.
    pub struct GenesisRole {
        /// The role.
        1 => role: Role,
    }

    /// A key of an account and when it counts.
    pub struct AccountKey {
        /// The key.
        1 => key: PublicKey,
        /// Its scheme; see [`crate::envelope::SCHEME_ED25519`].
        2 => scheme: u32,
        /// What its signature weighs.
        3 => weight: u32,
        /// First height at which it counts.
        4 => from: Height,
        /// Last height at which it counts; 0 means it has no end.
        5 => until: Height,
    }

    /// An app instance that exists from the start.
    pub struct GenesisInstance {
        /// Its name: what calls say.
        1 => name: InstanceName,
        /// What code it runs.
        2 => kind: InstanceName,
        /// Version of that code.
        3 => version: u32,
    }
}

impl Genesis {
    /// SHA-256 of the document.
    pub fn hash(&self) -> Hash {
        sha256(&self.encode())
    }

    /// The chain's id.
    pub fn chain_id(&self) -> Result<ChainId, IdError> {
        ChainId::new(&self.name, &self.hash(), self.revision)
    }
}

impl AccountKey {
    /// An Ed25519 key of weight 1 that counts from the start.
    pub fn ed25519(key: PublicKey) -> Self {
        let scheme = crate::envelope::SCHEME_ED25519;
        Self { key, scheme, weight: 1, from: Height(0), until: Height(0) }
    }

    /// Whether the key counts at a height.
    pub fn is_active(&self, height: Height) -> bool {
        self.from <= height && (self.until == Height(0) || height <= self.until)
    }
}
