//! Rules of accounts, references and money, block by block on a real state.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use catenary_apps::{
    accounts::{AccountName, KeyGrant},
    admin::{Admin, AdminCall, OpenAccount},
    asset::{Asset, AssetCall, AssetKey, Create, Freeze, Mint, Transfer, audit},
};
use catenary_crypto::SigningKey;
use catenary_ledger::{
    Apps, BlockContext, Inadmissible, Ledger, State, View, check_state, records::ReadRecords, stores::ASSET,
};
use catenary_types::{
    AccountId, Amount, AssetId, Body, Call, ChainId, Committee, Genesis, GenesisAccount, GenesisInstance,
    Message, Organisation, Parameters, Receipt, RequestId, Role, Timestamp, UnixSeconds, Validator,
    envelope::Transaction,
    genesis::{AccountKey, CONSENSUS_BFT, GenesisRole, SUITE_ED25519_SHA256},
    time::NANOS_PER_SECOND,
};

const START_S: u64 = 1_800_000_000;

struct Chain {
    ledger: Ledger,
    state: State,
    chain_id: ChainId,
    requests: u8,
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn name(organisation: &str, number: &str) -> AccountName {
    AccountName { organisation: organisation.parse().unwrap(), number: number.parse().unwrap() }
}

fn czk() -> AssetId {
    "CZK".parse().unwrap()
}

impl Chain {
    /// Two banks, A and B, each with an operator that issues; keys 1 and 2.
    fn new() -> Self {
        let ledger = Ledger::new(Apps::default().with("admin", Admin).with("asset", Asset));
        let account = |organisation: &str, seed: u8| GenesisAccount {
            organisation: organisation.parse().unwrap(),
            number: "operator".parse().unwrap(),
            threshold: 1,
            keys: vec![AccountKey::ed25519(key(seed).public_key())],
            roles: [Role::Issuer, Role::Operator].map(|role| GenesisRole { role }).to_vec(),
        };
        let organisations: Vec<Organisation> = ["A", "B"].map(|text| text.parse().unwrap()).to_vec();
        let instance = |kind: &str| GenesisInstance {
            name: kind.parse().unwrap(),
            kind: kind.parse().unwrap(),
            version: 1,
        };
        let genesis = Genesis {
            name: "test".parse().unwrap(),
            revision: 1,
            suite: SUITE_ED25519_SHA256,
            consensus: CONSENSUS_BFT,
            time: UnixSeconds(START_S).start(),
            parameters: Parameters::for_group_of(1),
            validators: vec![Validator { public_key: key(9).public_key(), power: 10 }],
            committee: Committee { threshold: 1, keys: vec![key(8).public_key()] },
            organisations,
            accounts: vec![account("A", 1), account("B", 2)],
            instances: vec![instance("admin"), instance("asset")],
        };
        let (chain_id, state) = (genesis.chain_id().unwrap(), ledger.genesis(&genesis).unwrap());
        Self { ledger, state, chain_id, requests: 0 }
    }

    fn sign(
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
            valid_until: UnixSeconds(START_S + 100),
            reference: reference.map(|text| text.parse().unwrap()),
            calls,
        };
        Transaction::decode(&body.sign(&[key]).encode()).unwrap()
    }

    fn time(&self) -> Timestamp {
        Timestamp(UnixSeconds(START_S + 1).start().0 + self.state.height().0)
    }

    fn check(&self, transaction: &Transaction, time: Timestamp) -> Result<(), Inadmissible> {
        let at = (self.state.height().next(), time);
        let parameters = self.state.parameters();
        check_state(&self.state, self.state.replay(), &parameters, &self.chain_id, transaction, at)
    }

    /// Executes one transaction in a block of its own.
    fn apply(&mut self, transaction: Transaction) -> Receipt {
        let time = self.time();
        self.check(&transaction, time).unwrap();
        let height = self.state.height().next();
        let context = BlockContext { chain_id: self.chain_id.clone(), height, time };
        let executed = self.ledger.execute(&self.state, &context, &[transaction]);
        self.state.apply(&executed);
        audit(&self.state).unwrap();
        executed.receipts[0].clone()
    }

    fn run(&mut self, organisation: &str, seed: u8, reference: Option<&str>, calls: Vec<Call>) -> Receipt {
        let sender = name(organisation, "operator").id();
        let transaction = self.sign(sender, &key(seed), reference, calls);
        self.apply(transaction)
    }
}

fn admin(call: AdminCall) -> Call {
    Call { instance: "admin".parse().unwrap(), message: call.encode() }
}

fn asset(call: AssetCall) -> Call {
    Call { instance: "asset".parse().unwrap(), message: call.encode() }
}

fn create() -> Call {
    asset(AssetCall::Create(Create { asset: czk(), decimals: 2 }))
}

fn mint(to: AccountName, amount: u128) -> Call {
    asset(AssetCall::Mint(Mint { asset: czk(), to, amount: Amount(amount) }))
}

fn pay(to: AccountName, amount: u128) -> Call {
    asset(AssetCall::Transfer(Transfer { asset: czk(), to, amount: Amount(amount), memo: String::new() }))
}

fn open(number: &str, seed: u8) -> Call {
    let keys = vec![KeyGrant { key: key(seed).public_key(), weight: 1 }];
    admin(AdminCall::OpenAccount(OpenAccount { number: number.parse().unwrap(), threshold: 1, keys }))
}

#[test]
fn a_failed_transaction_leaves_no_trace_and_does_not_use_up_its_reference() {
    let mut chain = Chain::new();
    let before = chain.state.app_hash();
    let failed = chain.run("A", 1, Some("order-1"), vec![create(), pay(name("B", "7"), 5)]);
    assert_eq!(failed.reason, "INSUFFICIENT_BALANCE");
    assert!(failed.events.is_empty());
    assert_ne!(chain.state.app_hash(), before, "its id is in the replay window");
    let stores = |chain: &Chain| chain.state.stores().store_roots(chain.state.height().0).unwrap().to_vec();
    assert_eq!(stores(&chain)[..5], stores(&Chain::new())[..5], "and nothing else has changed");
    assert!(chain.run("A", 1, Some("order-1"), vec![create(), mint(name("A", "operator"), 5)]).succeeded());
    let again = chain.run("A", 1, Some("order-1"), vec![pay(name("B", "7"), 1)]);
    assert_eq!(again.reason, "REFERENCE_USED");
    assert!(again.detail.contains("height 2"), "{}", again.detail);
}

#[test]
fn only_its_organisation_sets_the_first_keys_of_an_account_that_a_credit_opened() {
    let mut chain = Chain::new();
    let to = name("B", "7");
    assert!(chain.run("A", 1, None, vec![create(), mint(to.clone(), 5)]).succeeded());
    assert!(chain.state.account(&to.id()).unwrap().keys.is_empty());
    let signed = chain.sign(to.id(), &key(7), None, vec![pay(name("A", "thief"), 5)]);
    assert!(matches!(chain.check(&signed, chain.time()), Err(Inadmissible::UnknownKey(_))));
    assert!(chain.run("A", 1, None, vec![open("7", 6)]).succeeded(), "that is account 7 of A");
    assert!(chain.state.account(&to.id()).unwrap().keys.is_empty());
    assert!(chain.run("B", 2, None, vec![open("7", 7)]).succeeded());
    assert_eq!(chain.run("B", 2, None, vec![open("7", 6)]).reason, "ALREADY_EXISTS");
    let payment = chain.sign(to.id(), &key(7), None, vec![pay(name("A", "8"), 5)]);
    assert!(chain.apply(payment).succeeded());
    let key = AssetKey::Balance { account: &name("A", "8").id(), asset: &czk() }.bytes();
    assert_eq!(chain.state.get(ASSET, &key), Some(5u128.to_be_bytes().to_vec()));
}

#[test]
fn validity_ends_with_the_last_fraction_of_its_second() {
    let mut chain = Chain::new();
    let signed = chain.sign(name("A", "operator").id(), &key(1), None, vec![create()]);
    let end = UnixSeconds(START_S + 100).start();
    assert_eq!(chain.check(&signed, Timestamp(end.0 + NANOS_PER_SECOND - 1)), Ok(()));
    let late = chain.check(&signed, Timestamp(end.0 + NANOS_PER_SECOND));
    assert!(matches!(late, Err(Inadmissible::Expired { .. })), "{late:?}");
    let early = UnixSeconds(START_S + 100 - 3_600).start();
    assert_eq!(chain.check(&signed, early), Ok(()));
    let too_early = chain.check(&signed, Timestamp(early.0 - 1));
    assert!(matches!(too_early, Err(Inadmissible::ValidTooLong { .. })), "{too_early:?}");
}

#[test]
fn an_id_is_taken_once_and_a_frozen_account_neither_pays_nor_is_paid() {
    let mut chain = Chain::new();
    let signed =
        chain.sign(name("A", "operator").id(), &key(1), None, vec![create(), mint(name("A", "operator"), 9)]);
    assert!(chain.apply(signed.clone()).succeeded());
    assert!(matches!(chain.check(&signed, chain.time()), Err(Inadmissible::Repeated(_))));
    let account = name("A", "operator").id();
    let stranger = chain.run("B", 2, None, vec![asset(AssetCall::Freeze(Freeze { account }))]);
    assert_eq!(stranger.reason, "NOT_AUTHORISED");
    assert!(chain.run("A", 1, None, vec![asset(AssetCall::Freeze(Freeze { account }))]).succeeded());
    assert_eq!(chain.run("A", 1, None, vec![pay(name("B", "7"), 1)]).reason, "ACCOUNT_FROZEN");
    assert_eq!(chain.run("A", 1, None, vec![mint(name("A", "operator"), 1)]).reason, "ACCOUNT_FROZEN");
}
