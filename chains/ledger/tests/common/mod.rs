//! A chain with one app that does what its calls say, in words.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test uses its part, and a failed unwrap is a failed test"
)]

use catenary_crypto::SigningKey;
use catenary_ledger::{
    Access, AccessKey, App, Apps, BlockContext, Caller, Checked, Ctx, Executed, Failure, Ledger, Reason,
    State, View, stores::ASSET,
};
use catenary_types::{
    AccountId, AccountKey, Amount, Body, Call, ChainId, Committee, Genesis, GenesisAccount, GenesisInstance,
    Receipt, RequestId, Role, Timestamp, UnixSeconds, Validator, WireError, envelope::Transaction,
    genesis::GenesisRole, testing,
};
use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering},
};

/// When the chain starts: the first second of a minute.
pub const START_S: u64 = 1_800_000_000;
/// Weight of each step of a script.
pub const WEIGHT_STEP: u64 = 10;

/// Runs the steps of a call, which are separated by `;`:
///
/// | Step | Does |
/// |---|---|
/// | `put K V`, `delete K`, `add K N` | writes, as declared |
/// | `get K` | reads, as declared |
/// | `peek K`, `sneak K` | reads, writes, and does not declare it |
/// | `dice K` | writes another value each time |
/// | `emit E`, `charge N`, `credit N` | an event, weight, a question to the guards |
/// | `alone` | fails unless the call is the only one |
/// | `fail`, `panic` | fails, panics |
pub struct Script;

fn words(step: &str) -> [&str; 3] {
    let mut words = step.split_whitespace();
    std::array::from_fn(|_| words.next().unwrap_or_default())
}

fn key(word: &str) -> AccessKey {
    (ASSET, word.as_bytes().to_vec())
}

impl App for Script {
    type Message = String;

    fn decode(&self, bytes: &[u8]) -> Result<String, WireError> {
        String::from_utf8(bytes.to_vec()).map_err(|_| WireError::Truncated)
    }

    fn weight(&self, message: &String) -> u64 {
        message.split(';').count() as u64 * WEIGHT_STEP
    }

    fn access(&self, _: &Caller, message: &String) -> Access {
        let keys = |verbs: &[&str]| -> BTreeSet<AccessKey> {
            let steps = message.split(';').map(words);
            steps.filter(|[verb, ..]| verbs.contains(verb)).map(|[_, word, _]| key(word)).collect()
        };
        if message.contains("anything") {
            return Access::Any;
        }
        Access::Keys { reads: keys(&["get"]), writes: keys(&["put", "delete", "dice"]), adds: keys(&["add"]) }
    }

    fn admit(&self, message: &String, state: &dyn View) -> Result<(), Failure> {
        if state.get(ASSET, message.as_bytes()).is_some() {
            return Err(Failure::new(Reason::Redundant, "a key of this name is there"));
        }
        Ok(())
    }

    fn execute(&self, call: Checked<String>, ctx: &mut Ctx<'_, '_>) -> Result<(), Failure> {
        static DICE: AtomicU64 = AtomicU64::new(1);
        for [verb, word, value] in call.into_inner().split(';').map(words) {
            let (store, name) = key(word);
            match verb {
                "put" => ctx.put(store, name, value.into()),
                "delete" => ctx.delete(store, &name),
                "add" => ctx.add(store, name, Amount(value.parse().unwrap()))?,
                "get" | "peek" => drop(ctx.get(store, &name)),
                "sneak" => ctx.put(store, name, b"1".to_vec()),
                "dice" => {
                    let value = DICE.fetch_add(1, Ordering::Relaxed);
                    ctx.put(store, name, value.to_be_bytes().to_vec());
                }
                "emit" => ctx.emit(word, Vec::new()),
                "charge" => ctx.charge(word.parse().unwrap())?,
                "credit" => {
                    let account = ctx.caller().account;
                    let amount = Amount(word.parse().unwrap());
                    ctx.check_credit(&account, &"CZK".parse().unwrap(), amount)?;
                }
                "alone" if ctx.is_single_call() => {}
                "alone" | "fail" => return Err(Failure::new(Reason::InvalidArgument, "as told")),
                "panic" => panic!("as told"),
                other => assert!(other.is_empty() || other == "anything", "unknown step {other}"),
            }
        }
        Ok(())
    }
}

/// The ledger of the script app alone.
pub fn ledger() -> Ledger {
    Ledger::new(Apps::default().with("script", Script))
}

pub fn signer(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

/// The key of a seed as a key of an account.
pub fn account_key(seed: u8) -> AccountKey {
    AccountKey::ed25519(signer(seed).public_key())
}

/// The account of this number at organisation `bank`.
pub fn account(number: &str) -> AccountId {
    AccountId::new(&"bank".parse().unwrap(), &number.parse().unwrap())
}

pub fn genesis_account(number: &str, threshold: u32, keys: Vec<AccountKey>) -> GenesisAccount {
    let (organisation, number) = ("bank".parse().unwrap(), number.parse().unwrap());
    GenesisAccount { organisation, number, threshold, keys, roles: Vec::new() }
}

/// Accounts `alice` (key 1, operator) and `both` (keys 2 and 3, threshold 2); instances `one` and `two` of the script.
pub fn genesis() -> Genesis {
    let mut alice = genesis_account("alice", 1, vec![account_key(1)]);
    alice.roles.push(GenesisRole { role: Role::Operator });
    let instance = |name: &str| GenesisInstance {
        name: name.parse().unwrap(),
        kind: "script".parse().unwrap(),
        version: 1,
    };
    let validators = vec![Validator { public_key: signer(9).public_key(), power: 10 }];
    Genesis {
        committee: Committee { threshold: 1, keys: vec![signer(8).public_key()] },
        organisations: vec!["bank".parse().unwrap()],
        accounts: vec![alice, genesis_account("both", 2, vec![account_key(2), account_key(3)])],
        instances: vec![instance("one"), instance("two")],
        ..testing::genesis("test", UnixSeconds(START_S).start(), validators)
    }
}

/// A call of an instance.
pub fn call(instance: &str, script: &str) -> Call {
    Call { instance: instance.parse().unwrap(), message: script.into() }
}

/// A chain, block by block; each block is a second after the last.
pub struct Chain {
    pub ledger: Ledger,
    pub state: State,
    pub chain_id: ChainId,
    requests: u8,
}

impl Chain {
    pub fn new(ledger: Ledger, genesis: &Genesis) -> Self {
        let state = ledger.genesis(genesis).unwrap();
        Self { ledger, state, chain_id: genesis.chain_id().unwrap(), requests: 0 }
    }

    /// A body of alice's that is valid for a hundred seconds from the start.
    pub fn body(&mut self, calls: Vec<Call>) -> Body {
        self.requests += 1;
        Body {
            chain_id: self.chain_id.clone(),
            sender: account("alice"),
            request_id: RequestId([self.requests; 16]),
            valid_until: UnixSeconds(START_S + 100),
            reference: None,
            calls,
        }
    }

    pub fn transaction(&mut self, calls: Vec<Call>) -> Transaction {
        signed(&self.body(calls), &[1])
    }

    /// The next block's circumstances.
    pub fn next(&self) -> BlockContext {
        let height = self.state.height().next();
        let time = Timestamp(UnixSeconds(START_S + height.0).start().0 + 7);
        BlockContext { chain_id: self.chain_id.clone(), height, time }
    }

    pub fn execute(&self, transactions: &[Transaction]) -> Executed {
        self.ledger.execute(&self.state, &self.next(), transactions)
    }

    /// Executes and commits.
    pub fn block(&mut self, transactions: &[Transaction]) -> Vec<Receipt> {
        let executed = self.execute(transactions);
        self.state.apply(&executed);
        executed.receipts
    }

    /// One transaction of alice's in a block of its own.
    pub fn run(&mut self, calls: Vec<Call>) -> Receipt {
        let transaction = self.transaction(calls);
        self.block(&[transaction]).remove(0)
    }

    pub fn value(&self, key: &str) -> Option<Vec<u8>> {
        self.state.get(ASSET, key.as_bytes())
    }
}

impl Default for Chain {
    fn default() -> Self {
        Self::new(ledger(), &genesis())
    }
}

/// Signs with the keys of these seeds and reads the envelope back.
pub fn signed(body: &Body, seeds: &[u8]) -> Transaction {
    use catenary_types::Message as _;
    let keys: Vec<_> = seeds.iter().map(|seed| signer(*seed)).collect();
    let keys: Vec<_> = keys.iter().collect();
    Transaction::decode(&body.sign(&keys).encode()).unwrap()
}
