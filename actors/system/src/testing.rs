//! Whole nodes for tests: chains of one operator and mostly one validator, whose keys follow from their names.
//!
//! What a node leaves when it is killed at some moment is a copy of its folder made at that moment; see [`copy`].

pub mod files;
mod group;
mod grow;

pub use group::Group;
pub use grow::grow;

use crate::{Node, NodeConfig, OpenNodeError, SnapshotPolicy};
use catenary_apps::{
    accounts::KeyGrant,
    admin::{self, Admin, AdminCall, OpenAccount},
    asset::{self, Asset},
};
use catenary_crypto::{Hash, SigningKey, sha256};
use catenary_ledger::{Apps, Ledger};
use catenary_links::ChainClient;
use catenary_platform::Platform;
use catenary_relay::gateway::SubmitOutcome;
use catenary_runtime::{Capacities, ChainDefinition, ChainMailbox, Reporter, now};
use catenary_store::{DataDir, index::Engine};
use catenary_types::{
    AccountId, Body, Call, ChainId, Committee, Genesis, Height, Message, Organisation, Parameters, RequestId,
    Role, Timestamp, TxId, UnixSeconds, Validator, genesis::CONSENSUS_RAFT, testing,
};
use futures::StreamExt;
use std::{fs, io, path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// Longest wait for anything; a test that gets here fails.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a condition is looked at that nobody announces.
const POLL: Duration = Duration::from_millis(2);
/// Chains of tests are short.
const SNAPSHOTS: SnapshotPolicy = SnapshotPolicy { every_blocks: 16, keep: 2, begin: true };
/// The organisation of every chain.
const BANK: &str = "BANK";
/// Account number of the operator.
const OPERATOR: &str = "operator";

/// A chain with one bank on it.
#[derive(Clone)]
pub struct Bank {
    genesis: Genesis,
    chain_id: ChainId,
    apps: fn(validator: usize) -> Apps,
}

/// A transaction in a block that the next block has sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The transaction.
    pub tx_id: TxId,
    /// Its block.
    pub height: Height,
}

/// Runs a test that needs actors to its end, and ends whatever it started.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    actix::System::new().block_on(test)
}

/// What must come, or the test fails instead of hanging.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("what the test waits for comes")
}

/// A node of these banks on a folder, started, with all that it has to tell the operator.
pub async fn start(folder: &Path, banks: &[Bank]) -> Result<(Node, Vec<String>), OpenNodeError> {
    start_as(0, folder, banks).await
}

/// The same, as another validator of the banks' chains than the first.
pub async fn start_as(
    validator: usize,
    folder: &Path,
    banks: &[Bank],
) -> Result<(Node, Vec<String>), OpenNodeError> {
    open_as(validator, DataDir::open(folder).expect("the folder is free"), banks, true).await
}

/// `is_new` says whether the validator's keys have signed nothing yet.
async fn open_as(
    validator: usize,
    data: DataDir,
    banks: &[Bank],
    is_new: bool,
) -> Result<(Node, Vec<String>), OpenNodeError> {
    let chains = banks.iter().map(|bank| bank.definition(validator, is_new)).collect();
    let (node, mut notices) = Node::open(NodeConfig {
        data,
        chains,
        engine: Engine::default(),
        platform: Platform::default(),
        snapshots: SNAPSHOTS,
        capacities: Capacities::default(),
        executors: 2,
        arbiters: 1,
    })?;
    notices.extend(soon(node.start()).await);
    Ok((node, notices))
}

/// A copy of a folder. Of one that a node runs on it is what a kill at this moment would leave.
pub fn copy(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().expect("a temporary folder");
    copy_into(folder, copy.path()).expect("the files can be copied");
    copy
}

/// Copies what a folder holds into another one.
pub fn copy_into(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let copied =
            if path.is_dir() { copy_into(&path, &target) } else { fs::copy(&path, &target).map(drop) };
        // A running node deletes files as it goes on.
        if let Err(error) = copied
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
    }
    Ok(())
}

/// Waits until a condition holds that nobody announces.
pub async fn until(condition: impl AsyncFn() -> bool) {
    let holds = async {
        while !condition().await {
            sleep(POLL).await;
        }
    };
    soon(holds).await;
}

/// Submits an envelope and waits until it is in a block, the block is sealed, and the seal is in the block log.
pub async fn settle(chain: &dyn ChainClient, envelope: Vec<u8>) -> Settled {
    let tip = chain.status().await.expect("the chain runs").height;
    let mut blocks = chain.final_blocks(tip.next()).await.expect("the chain runs").blocks;
    let outcomes = soon(chain.submit(vec![envelope])).await.expect("the chain runs");
    let [SubmitOutcome::Accepted(tx_id)] = outcomes[..] else { panic!("not accepted: {outcomes:?}") };
    let sealed = async {
        let mut settled = None;
        loop {
            let block = blocks.next().await.expect("a stream has no end").expect("the chain runs");
            if let Some(settled) = settled {
                return settled;
            }
            let receipt = block.receipts.iter().find(|receipt| receipt.tx_id == tx_id);
            settled = receipt.map(|receipt| {
                assert!(receipt.succeeded(), "{receipt:?}");
                Settled { tx_id, height: block.height() }
            });
        }
    };
    let settled = soon(sealed).await;
    until(async || chain.block(settled.height.next()).await.is_ok_and(|block| block.is_some())).await;
    settled
}

/// Height and root of a chain's state.
pub async fn root(chain: &ChainMailbox) -> (Height, Hash) {
    chain.read(|state| (state.height(), state.app_hash())).await.expect("the chain runs")
}

impl Bank {
    /// A bank whose chain begins at this time.
    pub fn new(name: &str, time: Timestamp) -> Self {
        Self::with_validators(1, name, time)
    }

    /// A bank with a group of so many.
    pub fn with_validators(validators: usize, name: &str, time: Timestamp) -> Self {
        let genesis = genesis(name, time, validators);
        let chain_id = genesis.chain_id().expect("a well-formed genesis");
        Self {
            genesis,
            chain_id,
            apps: |_| Apps::default().with(admin::KIND, Admin).with(asset::KIND, Asset),
        }
    }

    /// The same, with a group that keeps a Raft log.
    #[must_use]
    pub fn by_raft(self) -> Self {
        let parameters = Parameters::for_raft_group_of(self.genesis.validators.len());
        let genesis = Genesis { consensus: CONSENSUS_RAFT, parameters, ..self.genesis };
        let chain_id = genesis.chain_id().expect("a well-formed genesis");
        Self { genesis, chain_id, ..self }
    }

    /// The first parameters of the chain.
    pub fn parameters(&self) -> &Parameters {
        &self.genesis.parameters
    }

    /// The same, with the code that each validator runs.
    #[must_use]
    pub fn running(self, apps: fn(validator: usize) -> Apps) -> Self {
        Self { apps, ..self }
    }

    /// The chain.
    pub fn chain_id(&self) -> &ChainId {
        &self.chain_id
    }

    /// The genesis document.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The code that the first validator runs.
    pub fn ledger(&self) -> Ledger {
        Ledger::new((self.apps)(0))
    }

    /// Writes this chain into a folder, with so many accounts opened, one in each block; see [`grow`].
    pub fn grow(&self, folder: &Path, accounts: u64) -> Height {
        let data = DataDir::open(folder).expect("the folder is free");
        let seed = |number| validator_seed(self.chain_id.name(), number);
        let seeds: Vec<_> = (0..self.genesis.validators.len()).map(seed).collect();
        let envelopes = (1..=accounts).map(|number| self.envelope(number));
        grow(&data, (&self.genesis, &self.ledger()), &seeds, envelopes)
    }

    /// The key with which a validator votes.
    pub fn validator_key(&self, validator: usize) -> SigningKey {
        SigningKey::from_seed(&validator_seed(self.chain_id.name(), validator))
    }

    /// When the chain begins.
    pub fn begins(&self) -> Timestamp {
        self.genesis.time
    }

    /// The operator's account.
    pub fn operator(&self) -> AccountId {
        AccountId::new(&organisation(), &OPERATOR.parse().expect("an account number"))
    }

    /// The key of the operator.
    pub fn key(&self) -> SigningKey {
        key(self.chain_id.name(), OPERATOR)
    }

    /// The body of a transaction that opens an account: a good one, once for each number.
    pub fn opening(&self, number: u64) -> Body {
        let text = number.to_string();
        let key = key(self.chain_id.name(), &text).public_key();
        let open = OpenAccount {
            number: text.parse().expect("digits are an account number"),
            threshold: 1,
            keys: vec![KeyGrant { key, weight: 1 }],
        };
        let mut request_id = RequestId([0; 16]);
        request_id.0[..8].copy_from_slice(&number.to_be_bytes());
        Body {
            chain_id: self.chain_id.clone(),
            sender: self.operator(),
            request_id,
            valid_until: UnixSeconds(now().seconds().0 + 300),
            reference: None,
            calls: vec![Call {
                instance: admin::KIND.parse().expect("kinds are instance names"),
                message: AdminCall::OpenAccount(open).encode(),
            }],
        }
    }

    /// The encoded envelope of [`Self::opening`].
    pub fn envelope(&self, number: u64) -> Vec<u8> {
        self.opening(number).sign(&[&self.key()]).encode()
    }

    /// What one of its validators runs; `is_new` says whether the key has signed nothing yet.
    pub fn definition(&self, validator: usize, is_new: bool) -> ChainDefinition {
        ChainDefinition {
            genesis: self.genesis.clone(),
            chain_id: self.chain_id.clone(),
            ledger: Ledger::new((self.apps)(validator)),
            validator_seed: Some(validator_seed(self.chain_id.name(), validator)),
            reporter: Some(Reporter { account: self.operator(), key: Arc::new(self.key()) }),
            is_new,
        }
    }
}

fn organisation() -> Organisation {
    BANK.parse().expect("an organisation")
}

fn seed(bank: &str, holder: &str) -> [u8; 32] {
    sha256(format!("key of a test: {bank}/{holder}").as_bytes()).0
}

fn validator_seed(bank: &str, number: usize) -> [u8; 32] {
    seed(bank, &format!("validator-{number}"))
}

fn key(bank: &str, holder: &str) -> SigningKey {
    SigningKey::from_seed(&seed(bank, holder))
}

fn genesis(name: &str, time: Timestamp, validators: usize) -> Genesis {
    let validator = |number| {
        let key = SigningKey::from_seed(&validator_seed(name, number));
        Validator { public_key: key.public_key(), power: 10 }
    };
    let operator = testing::account(BANK, OPERATOR, &key(name, OPERATOR), &[Role::Operator]);
    Genesis {
        committee: Committee { threshold: 1, keys: vec![key(name, "committee").public_key()] },
        organisations: vec![organisation()],
        accounts: vec![operator],
        instances: [admin::KIND, asset::KIND].map(testing::instance).to_vec(),
        ..testing::genesis(name, time, (0..validators).map(validator).collect())
    }
}
