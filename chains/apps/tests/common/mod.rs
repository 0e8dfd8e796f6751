//! A chain of two banks with the apps `admin` and `asset`, block by block on a real state.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test uses its part, and a failed unwrap is a failed test"
)]

use catenary_apps::{
    accounts::{AccountName, KeyGrant},
    admin::{Admin, AdminCall, DeclareReady, OpenAccount, ReportEquivocation},
    asset::{Asset, AssetCall, Create, Mint, Transfer, audit},
};
use catenary_crypto::{Hash, SigningKey};
use catenary_ledger::{
    Apps, BlockContext, Executed, Inadmissible, Ledger, State, check_state,
    records::{ReadRecords, committee_account},
};
use catenary_types::{
    AccountId, Address, Amount, AssetId, Body, Call, ChainId, Committee, DoubleVote, Genesis, Height,
    Message, Readiness, Receipt, ReportedVote, RequestId, Role, Timestamp, UnixSeconds, Validator, VoteKind,
    envelope::Transaction, sign_bytes, testing,
};

/// When the chain starts.
pub const START_S: u64 = 1_800_000_000;

pub struct Chain {
    pub ledger: Ledger,
    pub state: State,
    pub chain_id: ChainId,
    /// Seconds that passed besides those that blocks take.
    pub passed_s: u64,
    requests: u8,
}

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

pub fn name(organisation: &str, number: &str) -> AccountName {
    AccountName { organisation: organisation.parse().unwrap(), number: number.parse().unwrap() }
}

pub fn czk() -> AssetId {
    "CZK".parse().unwrap()
}

pub fn apps() -> Apps {
    Apps::default().with("admin", Admin).with("asset", Asset)
}

/// Two banks, A and B, each with an operator that issues; keys 1 and 2. The committee has key 8.
pub fn genesis(start: UnixSeconds) -> Genesis {
    let operator = |organisation: &str, seed: u8| {
        testing::account(organisation, "operator", &key(seed), &[Role::Issuer, Role::Operator])
    };
    let validators = vec![Validator { public_key: key(9).public_key(), power: 10 }];
    Genesis {
        committee: Committee { threshold: 1, keys: vec![key(8).public_key()] },
        organisations: ["A", "B"].map(|text| text.parse().unwrap()).to_vec(),
        accounts: vec![operator("A", 1), operator("B", 2)],
        instances: ["admin", "asset"].map(testing::instance).to_vec(),
        ..testing::genesis("test", start.start(), validators)
    }
}

impl Chain {
    pub fn new() -> Self {
        Self::from_genesis(&genesis(UnixSeconds(START_S)))
    }

    pub fn from_genesis(genesis: &Genesis) -> Self {
        let ledger = Ledger::new(apps());
        let (chain_id, state) = (genesis.chain_id().unwrap(), ledger.genesis(genesis).unwrap());
        Self { ledger, state, chain_id, passed_s: 0, requests: 0 }
    }

    pub fn sign(
        &mut self,
        sender: AccountId,
        key: &SigningKey,
        reference: Option<&str>,
        calls: Vec<Call>,
    ) -> Transaction {
        self.requests += 1;
        let body = Body {
            chain_id: self.chain_id.clone(),
            sender,
            request_id: RequestId([self.requests; 16]),
            valid_until: UnixSeconds(START_S + self.passed_s + 100),
            reference: reference.map(|text| text.parse().unwrap()),
            calls,
        };
        Transaction::decode(&body.sign(&[key]).encode()).unwrap()
    }

    /// What the operator of an organisation signs.
    pub fn operator(&mut self, organisation: &str, reference: Option<&str>, calls: Vec<Call>) -> Transaction {
        let seed = if organisation == "A" { 1 } else { 2 };
        self.sign(name(organisation, "operator").id(), &key(seed), reference, calls)
    }

    /// What the committee signs.
    pub fn committee(&mut self, calls: Vec<AdminCall>) -> Transaction {
        self.sign(committee_account(), &key(8), None, calls.into_iter().map(admin).collect())
    }

    pub fn time(&self) -> Timestamp {
        Timestamp(UnixSeconds(START_S + self.passed_s + 1).start().0 + self.state.height().0)
    }

    pub fn check(&self, transaction: &Transaction, time: Timestamp) -> Result<(), Inadmissible> {
        let at = (self.state.height().next(), time);
        let parameters = self.state.parameters();
        check_state(&self.state, self.state.replay(), &parameters, &self.chain_id, transaction, at)
    }

    /// Executes transactions as the next block.
    pub fn block(&mut self, transactions: &[Transaction]) -> Executed {
        let time = self.time();
        transactions.iter().for_each(|transaction| self.check(transaction, time).unwrap());
        let height = self.state.height().next();
        let context = BlockContext { chain_id: self.chain_id.clone(), height, time };
        let executed = self.ledger.execute(&self.state, &context, transactions);
        self.state.apply(&executed);
        audit(&self.state).unwrap();
        executed
    }

    /// Executes one transaction in a block of its own.
    pub fn apply(&mut self, transaction: Transaction) -> Receipt {
        self.block(&[transaction]).receipts.remove(0)
    }

    /// Executes calls of an operator in a block of their own.
    pub fn run(&mut self, organisation: &str, reference: Option<&str>, calls: Vec<Call>) -> Receipt {
        let transaction = self.operator(organisation, reference, calls);
        self.apply(transaction)
    }
}

pub fn admin(call: AdminCall) -> Call {
    Call { instance: "admin".parse().unwrap(), message: call.encode() }
}

pub fn asset(call: AssetCall) -> Call {
    Call { instance: "asset".parse().unwrap(), message: call.encode() }
}

pub fn create() -> Call {
    asset(AssetCall::Create(Create { asset: czk(), decimals: 2 }))
}

pub fn mint(to: AccountName, amount: u128) -> Call {
    asset(AssetCall::Mint(Mint { asset: czk(), to, amount: Amount(amount) }))
}

pub fn pay(to: AccountName, amount: u128) -> Call {
    asset(AssetCall::Transfer(Transfer { asset: czk(), to, amount: Amount(amount), memo: String::new() }))
}

pub fn grant(seed: u8) -> KeyGrant {
    KeyGrant { key: key(seed).public_key(), weight: 1 }
}

pub fn open(number: &str, seed: u8) -> Call {
    let keys = vec![grant(seed)];
    admin(AdminCall::OpenAccount(OpenAccount { number: number.parse().unwrap(), threshold: 1, keys }))
}

/// Precommits of height 1, round 0, by the holder of a key: one for each block (nil if there is none) and time.
pub fn votes(chain_id: &ChainId, signer: u8, values: [(Option<u8>, Timestamp); 2]) -> DoubleVote {
    let (height, round, kind) = (Height(1), 0, VoteKind::Precommit);
    let vote = |(block, time): (Option<u8>, Timestamp)| {
        let block = block.map(|byte| Hash([byte; 32]));
        let message = sign_bytes::vote(chain_id, kind, height, round, block, time);
        ReportedVote { block, time, signature: key(signer).sign(&message) }
    };
    let (validator, [first, second]) = (Address::of(&key(signer).public_key()), values.map(vote));
    DoubleVote { validator, height, round, kind, first, second }.ordered()
}

pub fn report(votes: DoubleVote) -> Call {
    admin(AdminCall::ReportEquivocation(ReportEquivocation { votes }))
}

/// The word of a validator's key that it is ready, said at this time.
pub fn ready(chain: &Chain, seed: u8, time: Timestamp) -> AdminCall {
    let state = (chain.state.height(), chain.state.app_hash());
    let readiness = Readiness::sign(&chain.chain_id, &key(seed), state, time);
    AdminCall::DeclareReady(DeclareReady { readiness })
}
