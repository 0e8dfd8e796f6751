//! The demo network: a home bank and thirteen partner banks, each its own chain, and the keys of a sandbox.
//!
//! All keys follow from fixed text. That is what a sandbox wants, and what nothing else may ever do.

use anyhow::{Context as _, Result, ensure};
use catenary_apps::{admin::Admin, asset::Asset};
use catenary_crypto::{SigningKey, sha256};
use catenary_ledger::{Apps, Ledger};
use catenary_orders::{BANKS, HOME};
use catenary_packet::{ClientId, PacketApp};
use catenary_runtime::{ChainDefinition, Reporter};
use catenary_store::DataDir;
use catenary_transfer::Transfer;
use catenary_types::{
    AccountId, AccountNumber, ChainName, Committee, Genesis, GenesisAccount, GenesisInstance, Message,
    Organisation, Parameters, Role, Timestamp, Validator,
    genesis::{AccountKey, CONSENSUS_BFT, GenesisRole, SUITE_ED25519_SHA256},
};
use std::{collections::BTreeMap, sync::Arc};

/// The apps of every chain.
const KINDS: [&str; 4] =
    [catenary_apps::admin::KIND, catenary_apps::asset::KIND, catenary_packet::KIND, catenary_transfer::KIND];

/// One instance of each app.
pub fn instances() -> Vec<GenesisInstance> {
    let instance = |kind: &str| GenesisInstance {
        name: kind.parse().expect("kinds are instance names"),
        kind: kind.parse().expect("kinds are instance names"),
        version: 1,
    };
    KINDS.map(instance).to_vec()
}

/// Routers that a chain knows.
pub const ROUTERS: usize = 2;

/// How old a header may be for a client to trust it: three days, three heartbeats.
pub const TRUSTING_PERIOD_S: u64 = 3 * 24 * 3600;

/// A bank of the network: 0 is the home bank, the partners follow in the order of [`BANKS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bank(pub usize);

impl Bank {
    /// The bank whose orders are settled.
    pub const HOME: Self = Self(0);

    /// Every bank.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=BANKS.len()).map(Self)
    }

    /// The partners.
    pub fn partners() -> impl Iterator<Item = Self> {
        Self::all().skip(1)
    }

    /// The bank's code.
    pub fn name(self) -> &'static str {
        if self == Self::HOME { HOME } else { BANKS[self.0 - 1] }
    }

    /// The name of its chain.
    pub fn chain(self) -> ChainName {
        self.name().to_lowercase().parse().expect("bank codes are chain names")
    }

    /// The bank as an organisation of its chain.
    pub fn organisation(self) -> Organisation {
        self.name().parse().expect("bank codes are organisations")
    }

    /// An account of the bank, by its number.
    pub fn account(self, number: &AccountNumber) -> AccountId {
        AccountId::new(&self.organisation(), number)
    }

    /// The account that runs the bank: issuer, operator and regulator.
    pub fn operator(self) -> Holder {
        Holder::new(self, "operator")
    }

    /// The account of a router on the bank's chain.
    pub fn router(self, number: usize) -> Holder {
        Holder::new(self, &format!("router-{number}"))
    }

    /// The client on the home chain that follows this partner.
    pub fn client_at_home(self) -> ClientId {
        ClientId::bft(self.0 as u64 - 1)
    }

    /// The client on a partner's chain that follows the home chain.
    pub fn client_of_home() -> ClientId {
        ClientId::bft(0)
    }
}

/// An account with its key.
#[derive(Clone)]
pub struct Holder {
    /// The account's number at its bank.
    pub number: AccountNumber,
    /// The account.
    pub account: AccountId,
    /// Its key.
    pub key: Arc<SigningKey>,
}

impl Holder {
    /// The holder of an account whose number is well formed.
    pub fn new(bank: Bank, number: &str) -> Self {
        Self::of(bank, &number.parse().expect("a well-formed account number"))
    }

    /// The holder of an account.
    pub fn of(bank: Bank, number: &AccountNumber) -> Self {
        let key = Arc::new(key(&format!("{}/{number}", bank.name())));
        Self { number: number.clone(), account: bank.account(number), key }
    }
}

/// The sandbox key of a name.
fn key(name: &str) -> SigningKey {
    SigningKey::from_seed(&seed(name))
}

fn seed(name: &str) -> [u8; 32] {
    sha256(format!("catenary sandbox key: {name}").as_bytes()).0
}

/// The code that every chain of the network runs.
pub fn ledger() -> Ledger {
    let apps = Apps::default()
        .with(catenary_apps::admin::KIND, Admin)
        .with(catenary_apps::asset::KIND, Asset)
        .with(catenary_packet::KIND, PacketApp::new(vec![Arc::new(Transfer)]))
        .with(catenary_transfer::KIND, Transfer);
    Ledger::new(apps)
}

/// A chain's genesis document.
#[derive(Clone, Debug)]
pub struct Document {
    /// It.
    pub genesis: Genesis,
    /// Whether it was made just now, with the keys of all its validators.
    pub is_new: bool,
}

/// The genesis documents of the network, in the order of its banks: those that the nodes' folders hold, or new ones with
/// a validator per folder.
pub fn genesis_documents(folders: &[DataDir], now: Timestamp) -> Result<Vec<Document>> {
    let mut stored = BTreeMap::new();
    for folder in folders {
        for chain_id in folder.chain_ids().context("reading the data folder")? {
            if let Some(genesis) = stored_genesis(folder, &chain_id)? {
                let (expected, actual) = (genesis.validators.len(), folders.len());
                ensure!(
                    expected == actual,
                    "{chain_id} has {expected} validators, the network has {actual} nodes"
                );
                stored.insert(genesis.name.to_string(), genesis);
            }
        }
    }
    let mut document = |bank: Bank| {
        let stored = stored.remove(bank.chain().as_str());
        let is_new = stored.is_none();
        Document {
            genesis: stored.unwrap_or_else(|| genesis(bank, now, sandbox_validators(bank, folders.len()))),
            is_new,
        }
    };
    Ok(Bank::all().map(&mut document).collect())
}

fn stored_genesis(folder: &DataDir, chain_id: &str) -> Result<Option<Genesis>> {
    let Some(bytes) = folder.chain(chain_id)?.genesis()? else { return Ok(None) };
    let damaged = || format!("the genesis of {chain_id} is damaged");
    let genesis = Genesis::decode(&bytes).with_context(damaged)?;
    // The id holds the document's hash: any other document would silently start another chain.
    ensure!(genesis.chain_id()?.as_str() == chain_id, damaged());
    Ok(Some(genesis))
}

/// What a node runs: every chain, as one of its validators.
pub fn chains(documents: &[Document], node: usize) -> Result<Vec<ChainDefinition>> {
    let definition = |(bank, document): (Bank, &Document)| {
        Ok(ChainDefinition {
            genesis: document.genesis.clone(),
            chain_id: document.genesis.chain_id()?,
            ledger: ledger(),
            validator_seed: Some(validator_seed(bank, node)),
            reporter: Some(reporter(bank)),
            is_new: document.is_new,
        })
    };
    Bank::all().zip(documents).map(definition).collect()
}

/// All nodes report as one account, so that of their reports of one thing a block takes one.
fn reporter(bank: Bank) -> Reporter {
    let Holder { account, key, .. } = bank.router(1);
    Reporter { account, key }
}

fn validator_seed(bank: Bank, node: usize) -> [u8; 32] {
    seed(&format!("{}/validator-{node}", bank.name()))
}

fn sandbox_validators(bank: Bank, validators: usize) -> Vec<Validator> {
    let validator = |number: usize| {
        let public_key = SigningKey::from_seed(&validator_seed(bank, number)).public_key();
        Validator { public_key, power: 10 }
    };
    (0..validators).map(validator).collect()
}

/// The genesis of a bank's chain with these validators.
pub fn genesis(bank: Bank, time: Timestamp, validators: Vec<Validator>) -> Genesis {
    let account = |holder: &Holder, roles: &[Role]| GenesisAccount {
        organisation: bank.organisation(),
        number: holder.number.clone(),
        threshold: 1,
        keys: vec![AccountKey::ed25519(holder.key.public_key())],
        roles: roles.iter().map(|role| GenesisRole { role: *role }).collect(),
    };
    let operator = account(&bank.operator(), &[Role::Issuer, Role::Operator, Role::Regulator]);
    let routers = (1..=ROUTERS).map(|number| account(&bank.router(number), &[Role::Relayer]));
    Genesis {
        name: bank.chain(),
        revision: 1,
        suite: SUITE_ED25519_SHA256,
        consensus: CONSENSUS_BFT,
        time,
        parameters: Parameters::for_group_of(validators.len()),
        validators,
        committee: Committee {
            threshold: 2,
            keys: (1..=3)
                .map(|member| key(&format!("{}/committee-{member}", bank.name())).public_key())
                .collect(),
        },
        organisations: vec![bank.organisation()],
        accounts: std::iter::once(operator).chain(routers).collect(),
        instances: instances(),
        roots: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_reports_with_an_account_that_the_genesis_opens() {
        let folders: Vec<_> = (0..2).map(|_| DataDir::temporary().expect("a temporary folder")).collect();
        let documents = genesis_documents(&folders, Timestamp(0)).expect("new documents");
        for chain in (0..2).flat_map(|node| chains(&documents, node).expect("well-formed documents")) {
            let Reporter { account, key } = chain.reporter.expect("every node reports");
            let opened = chain.genesis.accounts.iter().find(|opened| {
                AccountId::new(&opened.organisation, &opened.number) == account && opened.threshold == 1
            });
            let keys = &opened.expect("the genesis opens it").keys;
            assert_eq!(keys[..], [AccountKey::ed25519(key.public_key())], "{}", chain.chain_id);
        }
    }
}
