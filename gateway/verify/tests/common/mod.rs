//! Chains with the transfer app, and a courier between them: real genesis, blocks, certificates, state and proofs.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use catenary_apps::{
    accounts::{AccountName, KeyGrant},
    admin::{self, Admin, AdminCall, DeclareReady, OpenAccount, SetParameters, SetValidators},
    asset::{self, Asset, AssetCall, Create, Freeze, Mint},
};
use catenary_crypto::{SigningKey, sha256};
use catenary_ledger::{Apps, records::committee_account, stores::IBC};
use catenary_orders::{ASSET, HOME, Order};
use catenary_packet::{
    ClientId, Packet, PacketApp, PacketCall,
    messages::RegisterCounterparty,
    testing::{START, TestChain, TestLane, packet_call, validator},
};
use catenary_transfer::{Send, Transfer, TransferCall};
use catenary_types::{
    Amount, Call, Committee, Genesis, Height, Message, Parameters, Receipt, Reference, Role, Timestamp,
    UnixSeconds, envelope::Transaction, testing,
};
use catenary_verify::{HomeWriter, PartnerWriter};
use std::{ops::Range, path::Path, sync::Arc};

/// Deadline of every payment, in seconds after it was sent.
const TIMEOUT_S: u64 = 60;

fn key(name: &str) -> SigningKey {
    SigningKey::from_seed(&sha256(name.as_bytes()).0)
}

fn call(kind: &str, message: &impl Message) -> Call {
    Call { instance: kind.parse().unwrap(), message: message.encode() }
}

/// A bank's chain, with an operator, a relayer and accounts of these numbers.
fn chain(bank: &str, validators: usize, accounts: &[&str]) -> TestChain {
    let apps = Apps::default()
        .with(admin::KIND, Admin)
        .with(asset::KIND, Asset)
        .with(catenary_packet::KIND, PacketApp::new(vec![Arc::new(Transfer)]))
        .with(catenary_transfer::KIND, Transfer);
    let account = |number: &str, roles: &[Role]| {
        testing::account(bank, number, &key(&format!("{bank}/{number}")), roles)
    };
    let mut all = vec![
        account("operator", &[Role::Issuer, Role::Operator, Role::Regulator]),
        account("relayer", &[Role::Relayer]),
    ];
    all.extend(accounts.iter().map(|number| account(number, &[])));
    let kinds = [admin::KIND, asset::KIND, catenary_packet::KIND, catenary_transfer::KIND];
    let name = bank.to_lowercase();
    let set = (0..validators).map(|index| validator(&name, index, 10)).collect();
    let genesis = Genesis {
        committee: Committee { threshold: 1, keys: vec![key(&format!("{bank}/committee")).public_key()] },
        organisations: vec![bank.parse().unwrap()],
        accounts: all,
        instances: kinds.map(testing::instance).to_vec(),
        ..testing::genesis(&name, Timestamp(START.start().0 - 1), set)
    };
    TestChain::from_genesis(genesis, apps, START.start())
}

/// An account of the chain's bank.
fn name(chain: &TestChain, number: &str) -> AccountName {
    AccountName { organisation: chain.genesis.organisations[0].clone(), number: number.parse().unwrap() }
}

fn sign(
    chain: &mut TestChain,
    time: Timestamp,
    sender: &str,
    reference: Option<Reference>,
    calls: Vec<Call>,
) -> Transaction {
    let bank = &chain.genesis.organisations[0];
    let key = key(&format!("{bank}/{sender}"));
    let id = if sender == "committee" { committee_account() } else { name(chain, sender).id() };
    let mut body = chain.body(time, id, calls);
    body.reference = reference;
    Transaction::decode(&body.sign(&[&key]).encode()).unwrap()
}

/// One transaction in a block of its own, which must succeed.
fn transact(chain: &mut TestChain, time: Timestamp, sender: &str, calls: Vec<Call>) -> Receipt {
    let transaction = sign(chain, time, sender, None, calls);
    let receipt = chain.append(time, &[transaction]).remove(0);
    assert!(receipt.succeeded(), "{receipt:?}");
    receipt
}

/// Replaces the validators.
pub fn change_validators(chain: &mut TestChain, time: Timestamp, indices: Range<usize>) {
    let ready = |index| AdminCall::DeclareReady(DeclareReady { readiness: chain.ready(index, time) });
    let mut calls: Vec<_> = indices.clone().map(ready).collect();
    let validators = indices.map(|index| validator(&chain.name, index, 10)).collect();
    calls.push(AdminCall::SetValidators(SetValidators { validators }));
    let calls = calls.iter().map(|one| call(admin::KIND, one)).collect();
    transact(chain, time, "committee", calls);
}

/// Changes the parameters; returns the new ones.
pub fn change_parameters(chain: &mut TestChain, time: Timestamp) -> Parameters {
    let parameters = Parameters { idle_interval_s: 3_600, ..chain.parameters.clone() };
    let set = AdminCall::SetParameters(SetParameters { parameters: parameters.clone() });
    transact(chain, time, "committee", vec![call(admin::KIND, &set)]);
    parameters
}

/// What the chain proves under its last header.
pub fn multiproof(chain: &TestChain, keys: &[Vec<u8>]) -> Vec<u8> {
    let keys: Vec<_> = keys.iter().map(Vec::as_slice).collect();
    chain.state.stores().multiproof(chain.height().0 - 1, IBC, &keys).unwrap().encode()
}

/// Makes a client of another chain and registers its far end.
fn follow(chain: &mut TestChain, time: Timestamp, other: &TestChain, client: &ClientId, far: &ClientId) {
    let create = PacketCall::CreateClient(other.client_at(Height(1)));
    let (client, counterparty) = (client.clone(), far.clone());
    let register = PacketCall::RegisterCounterparty(RegisterCounterparty { client, counterparty });
    transact(chain, time, "operator", vec![packet_call(&create), packet_call(&register)]);
}

/// The home bank, where payments start, and a partner, joined by a lane.
pub struct World {
    pub lane: TestLane,
}

impl World {
    /// The home chain has one validator, the partner four. Debtors are paid what their orders need.
    pub fn new(bank: &str, orders: &[Order]) -> Self {
        let mut debtors: Vec<_> = orders.iter().map(|order| order.debtor.as_str()).collect();
        debtors.sort_unstable();
        debtors.dedup();
        let (mut home, mut partner) = (chain(HOME, 1, &debtors), chain(bank, 4, &[]));
        let (client, far) = (ClientId::bft(0), ClientId::bft(0));
        let time = home.time().plus_ms(1_000);
        follow(&mut home, time, &partner, &client, &far);
        follow(&mut partner, time, &home, &far, &client);
        let mut calls = vec![AssetCall::Create(Create { asset: ASSET.parse().unwrap(), decimals: 2 })];
        calls.extend(debtors.iter().map(|debtor| {
            let to = name(&home, debtor);
            AssetCall::Mint(Mint { asset: ASSET.parse().unwrap(), to, amount: Amount(10_000_000) })
        }));
        let calls = calls.iter().map(|one| call(asset::KIND, one)).collect();
        transact(&mut home, time.plus_ms(1_000), "operator", calls);
        let lane = TestLane { source: home, target: partner, source_client: client, target_client: far };
        Self { lane }
    }

    pub fn home(&self) -> &TestChain {
        &self.lane.source
    }

    pub fn partner(&self) -> &TestChain {
        &self.lane.target
    }

    /// The next second on both chains.
    pub fn next_time(&self) -> Timestamp {
        self.lane.next_time()
    }

    /// Opens and freezes an account of the partner.
    pub fn freeze(&mut self, number: &str) {
        let keys = vec![KeyGrant { key: key(number).public_key(), weight: 1 }];
        let open = OpenAccount { number: number.parse().unwrap(), threshold: 1, keys };
        let account = name(self.partner(), number).id();
        let calls = vec![
            call(admin::KIND, &AdminCall::OpenAccount(open)),
            call(asset::KIND, &AssetCall::Freeze(Freeze { account })),
        ];
        let time = self.next_time();
        transact(&mut self.lane.target, time, "operator", calls);
    }

    /// Sends a payment per order in one block of the home chain, which seals it.
    pub fn pay(&mut self, orders: &[(&Order, &Reference)]) -> Vec<Packet> {
        let time = self.next_time();
        let TestLane { source: home, target: partner, source_client, .. } = &mut self.lane;
        let transactions = orders.iter().map(|(order, reference)| {
            let send = TransferCall::Send(Send {
                client: source_client.clone(),
                asset: ASSET.parse().unwrap(),
                amount: order.amount,
                receiver: name(partner, order.creditor.as_str()),
                timeout: UnixSeconds(time.seconds().0 + TIMEOUT_S),
                memo: order.purpose.clone(),
            });
            let calls = vec![call(catenary_transfer::KIND, &send)];
            sign(home, time, order.debtor.as_str(), Some((*reference).clone()), calls)
        });
        let transactions: Vec<_> = transactions.collect();
        let receipts = home.append(time, &transactions);
        assert!(receipts.iter().all(Receipt::succeeded), "{receipts:?}");
        home.seal();
        receipts.iter().flat_map(TestLane::sent).collect()
    }

    /// Delivers packets; returns them with their answers.
    pub fn deliver(&mut self, packets: &[Packet]) -> Vec<(Packet, Vec<u8>)> {
        let receive = PacketCall::Receive(self.lane.receive_call(packets));
        let time = self.next_time();
        let receipt = transact(&mut self.lane.target, time, "relayer", vec![packet_call(&receive)]);
        self.lane.target.seal();
        TestLane::answers(&receipt)
    }

    /// Brings answers home.
    pub fn answer(&mut self, answers: &[(Packet, Vec<u8>)]) {
        let acknowledge = PacketCall::Acknowledge(self.lane.acknowledge_call(answers));
        self.settle(&acknowledge);
    }

    /// Lets packets run out of time.
    pub fn expire(&mut self, silent: &[Packet]) {
        let deadline = silent.iter().map(|one| one.timeout_timestamp).max().unwrap().start();
        let time = deadline.max(self.next_time());
        self.lane.target.append(time, &[]);
        let timeout = PacketCall::Timeout(self.lane.timeout_call(silent));
        self.settle(&timeout);
    }

    fn settle(&mut self, call: &PacketCall) {
        let time = self.next_time();
        transact(&mut self.lane.source, time, "relayer", vec![packet_call(call)]);
        self.lane.source.seal();
    }

    /// Writes the evidence of both chains.
    pub fn write(&self, dir: &Path, parameters: &[Parameters]) {
        let (home, partner) = (self.home(), self.partner());
        let mut writer = HomeWriter::create(dir, &home.genesis).unwrap();
        parameters.iter().cloned().for_each(|parameters| writer.parameters(parameters));
        for block in &home.blocks {
            writer.block(&block.signed, &block.validators, &block.envelopes, &block.receipts).unwrap();
        }
        let lanes = writer.finish().unwrap();
        let bank = partner.genesis.organisations[0].as_str();
        let mut writer = PartnerWriter::create(dir, bank, &partner.genesis).unwrap();
        partner.blocks.iter().for_each(|block| writer.header(&block.signed, &block.validators));
        let newest = partner.at(partner.height());
        for request in lanes.iter().flat_map(|lane| &lane.requests) {
            writer.proof(&newest.signed, &newest.validators, request, &multiproof(partner, &request.keys));
        }
        writer.finish().unwrap();
    }
}
