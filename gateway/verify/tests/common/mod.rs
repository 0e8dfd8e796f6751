//! Chains with the transfer app, and a courier between them: real genesis, blocks, certificates, state and proofs.

#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "a failed unwrap is a failed test; each test uses its part"
)]

use catenary_apps::{
    accounts::AccountName,
    admin::{Admin, AdminCall, SetParameters, SetValidators},
    asset::{Asset, AssetCall, Create, Freeze, Mint},
};
use catenary_crypto::{SigningKey, empty_root, sha256};
use catenary_ledger::{Apps, BlockContext, Ledger, State, records::committee_account, stores::IBC};
use catenary_orders::{ASSET, HOME, Order};
use catenary_packet::{
    ClientId, Packet, PacketApp, PacketCall, ReadClients,
    commitment::{acknowledgement_key, commitment_key, receipt_key},
    events::{RECEIVE_PACKET, SEND_PACKET},
    messages::{
        Acknowledge, AcknowledgedPacket, CreateClient, Fraction, HeaderUpdate, Proof, Receive,
        RegisterCounterparty, Timeout,
    },
};
use catenary_transfer::{Send, Transfer, TransferCall};
use catenary_types::{
    AccountId, AccountKey, Amount, Block, Body, Call, Certificate, ChainId, CommitSignature, Committee,
    Genesis, GenesisAccount, GenesisInstance, Header, Height, Message, Parameters, Receipt, Reference,
    RequestId, Role, SignedHeader, Timestamp, UnixSeconds, Validator, ValidatorSet, VoteKind,
    envelope::Transaction,
    genesis::{CONSENSUS_BFT, GenesisRole, SUITE_ED25519_SHA256},
    sign_bytes,
};
use catenary_verify::{HomeWriter, PartnerWriter};
use std::{path::Path, sync::Arc};

const START: UnixSeconds = UnixSeconds(1_800_000_000);
/// Deadline of every payment, in seconds after it was sent.
pub const TIMEOUT_S: u64 = 60;

fn key(name: &str) -> SigningKey {
    SigningKey::from_seed(&sha256(name.as_bytes()).0)
}

pub fn call(kind: &str, message: &impl Message) -> Call {
    Call { instance: kind.parse().unwrap(), message: message.encode() }
}

pub struct TestBlock {
    pub signed: SignedHeader,
    pub validators: ValidatorSet,
    pub next_validators: ValidatorSet,
    pub envelopes: Vec<Vec<u8>>,
    pub receipts: Vec<Receipt>,
}

/// A bank's chain.
pub struct Chain {
    pub bank: &'static str,
    pub genesis: Genesis,
    pub id: ChainId,
    pub state: State,
    pub blocks: Vec<TestBlock>,
    ledger: Ledger,
    next_set: ValidatorSet,
    set_after: ValidatorSet,
    parameters: Parameters,
    requests: u128,
}

impl Chain {
    pub fn new(bank: &'static str, validators: usize, accounts: &[&str]) -> Self {
        let apps = Apps::default()
            .with(catenary_apps::admin::KIND, Admin)
            .with(catenary_apps::asset::KIND, Asset)
            .with(catenary_packet::KIND, PacketApp::new(vec![Arc::new(Transfer)]))
            .with(catenary_transfer::KIND, Transfer);
        let ledger = Ledger::new(apps);
        let genesis = genesis(bank, validators, accounts);
        let set = ValidatorSet::new(genesis.validators.clone()).unwrap();
        let mut chain = Self {
            bank,
            id: genesis.chain_id().unwrap(),
            state: ledger.genesis(&genesis).unwrap(),
            blocks: Vec::new(),
            ledger,
            next_set: set.clone(),
            set_after: set,
            parameters: genesis.parameters.clone(),
            requests: 0,
            genesis,
        };
        chain.block(START.start(), Vec::new());
        chain
    }

    pub fn name(&self, number: &str) -> AccountName {
        AccountName { organisation: self.bank.parse().unwrap(), number: number.parse().unwrap() }
    }

    pub fn height(&self) -> Height {
        Height(self.blocks.len() as u64)
    }

    pub fn at(&self, height: Height) -> &TestBlock {
        &self.blocks[height.0 as usize - 1]
    }

    pub fn time(&self) -> Timestamp {
        self.blocks.last().map_or(Timestamp(0), |block| block.signed.header.time)
    }

    pub fn seal(&mut self) {
        self.block(self.time().plus_ms(1_000), Vec::new());
    }

    /// One transaction in a block of its own, which must succeed.
    pub fn transact(&mut self, time: Timestamp, sender: &str, calls: Vec<Call>) -> Receipt {
        let envelope = self.sign(time, sender, None, calls);
        let receipt = self.block(time, vec![envelope]).remove(0);
        assert!(receipt.succeeded(), "{receipt:?}");
        receipt
    }

    pub fn sign(
        &mut self,
        time: Timestamp,
        sender: &str,
        reference: Option<Reference>,
        calls: Vec<Call>,
    ) -> Vec<u8> {
        self.requests += 1;
        let id: AccountId = if sender == "committee" { committee_account() } else { self.name(sender).id() };
        let body = Body {
            chain_id: self.id.clone(),
            sender: id,
            request_id: RequestId(self.requests.to_be_bytes()),
            valid_until: UnixSeconds(time.seconds().0 + 300),
            reference,
            calls,
        };
        body.sign(&[&key(&format!("{}/{sender}", self.bank))]).encode()
    }

    pub fn block(&mut self, time: Timestamp, envelopes: Vec<Vec<u8>>) -> Vec<Receipt> {
        let decode = |envelope: &Vec<u8>| Transaction::decode(envelope).unwrap();
        let transactions: Vec<_> = envelopes.iter().map(decode).collect();
        let last = self.blocks.last();
        let header = Header {
            protocol_version: self.parameters.protocol_version,
            chain_id: self.id.clone(),
            height: self.height().next(),
            time,
            last_block: last.map(|block| block.signed.header.hash()),
            last_commit_hash: last.map_or_else(empty_root, |block| block.signed.certificate.hash()),
            data_hash: Block::data_hash(&envelopes),
            validators_hash: self.next_set.hash(),
            next_validators_hash: self.set_after.hash(),
            consensus_hash: self.parameters.hash(),
            app_hash: self.state.app_hash(),
            last_results_hash: last.map_or_else(empty_root, |block| Receipt::results_hash(&block.receipts)),
            proposer: self.next_set.addresses()[0],
        };
        let context = BlockContext { chain_id: self.id.clone(), height: header.height, time };
        let validators = std::mem::replace(&mut self.next_set, self.set_after.clone());
        let signed = certify(self.bank, header, &validators);
        let executed = self.ledger.execute(&self.state, &context, &transactions);
        self.state.apply(&executed);
        self.set_after = ValidatorSet::new(executed.validators).unwrap();
        self.parameters = executed.parameters;
        let receipts = executed.receipts;
        let next_validators = self.next_set.clone();
        self.blocks.push(TestBlock {
            signed,
            validators,
            next_validators,
            envelopes,
            receipts: receipts.clone(),
        });
        receipts
    }

    /// Replaces a validator.
    pub fn change_validators(&mut self, time: Timestamp, indices: std::ops::Range<usize>) {
        let validators = indices.map(|index| validator(self.bank, index)).collect();
        let set = AdminCall::SetValidators(SetValidators { validators });
        self.transact(time, "committee", vec![call(catenary_apps::admin::KIND, &set)]);
    }

    /// Changes the parameters; returns the new ones.
    pub fn change_parameters(&mut self, time: Timestamp) -> Parameters {
        let parameters = Parameters { idle_interval_s: 3_600, ..self.parameters.clone() };
        let set = AdminCall::SetParameters(SetParameters { parameters: parameters.clone() });
        self.transact(time, "committee", vec![call(catenary_apps::admin::KIND, &set)]);
        parameters
    }

    pub fn multiproof(&self, keys: &[Vec<u8>]) -> Vec<u8> {
        let keys: Vec<_> = keys.iter().map(Vec::as_slice).collect();
        self.state.stores().multiproof(self.height().0 - 1, IBC, &keys).unwrap().encode()
    }

    /// The calls that make a client of another chain and register its far end.
    fn follow(&mut self, time: Timestamp, other: &Chain, client: ClientId, counterparty: ClientId) {
        let first = other.at(Height(1));
        let create = PacketCall::CreateClient(CreateClient {
            chain_id: other.id.to_string(),
            trust_level: Fraction { numerator: 1, denominator: 3 },
            quorum: Fraction { numerator: 2, denominator: 3 },
            trusting_period_s: 864_000,
            clock_drift_ms: 10_000,
            update_bytes_max: 64 * 1024,
            signed_header: first.signed.encode(),
            validators: first.validators.encode().unwrap(),
        });
        let register = PacketCall::RegisterCounterparty(RegisterCounterparty { client, counterparty });
        let calls = [create, register].map(|message| call(catenary_packet::KIND, &message));
        self.transact(time, "operator", calls.to_vec());
    }

    /// What brings a client on `to` up to this chain's last header.
    fn update(&self, to: &Chain, client: &ClientId) -> Option<HeaderUpdate> {
        let (known, newest) = (to.state.client(client).unwrap().latest_height, self.height());
        let (trusted, block) = (self.at(known), self.at(newest));
        (known < newest)
            .then(|| HeaderUpdate::new(&block.signed, &block.validators, known, &trusted.next_validators))
    }
}

fn validator(bank: &str, index: usize) -> Validator {
    Validator { public_key: key(&format!("{bank} validator {index}")).public_key(), power: 10 }
}

/// A certificate of all members.
pub fn certify(bank: &str, header: Header, set: &ValidatorSet) -> SignedHeader {
    let (block, time) = (header.hash(), header.time);
    let message =
        sign_bytes::vote(&header.chain_id, VoteKind::Precommit, header.height, 0, Some(block), time);
    let keys: Vec<_> = (0..8).map(|index| key(&format!("{bank} validator {index}"))).collect();
    let of_member = |member: &Validator| {
        let key = keys.iter().find(|key| key.public_key() == member.public_key).unwrap();
        CommitSignature::Commit { address: member.address(), time, signature: key.sign(&message) }
    };
    let signatures = set.validators().iter().map(of_member).collect();
    let certificate = Certificate { height: header.height, round: 0, block, signatures };
    SignedHeader { header, certificate }
}

fn genesis(bank: &str, validators: usize, accounts: &[&str]) -> Genesis {
    let account = |number: &str, roles: &[Role]| GenesisAccount {
        organisation: bank.parse().unwrap(),
        number: number.parse().unwrap(),
        threshold: 1,
        keys: vec![AccountKey::ed25519(key(&format!("{bank}/{number}")).public_key())],
        roles: roles.iter().map(|role| GenesisRole { role: *role }).collect(),
    };
    let mut all = vec![
        account("operator", &[Role::Issuer, Role::Operator, Role::Regulator]),
        account("relayer", &[Role::Relayer]),
    ];
    all.extend(accounts.iter().map(|number| account(number, &[])));
    let kinds = [
        catenary_apps::admin::KIND,
        catenary_apps::asset::KIND,
        catenary_packet::KIND,
        catenary_transfer::KIND,
    ];
    let instance = |kind: &str| {
        let name: catenary_types::InstanceName = kind.parse().unwrap();
        GenesisInstance { name: name.clone(), kind: name, version: 1 }
    };
    Genesis {
        name: bank.to_lowercase().parse().unwrap(),
        revision: 1,
        suite: SUITE_ED25519_SHA256,
        consensus: CONSENSUS_BFT,
        time: Timestamp(START.start().0 - 1),
        parameters: Parameters::for_group_of(validators),
        validators: (0..validators).map(|index| validator(bank, index)).collect(),
        committee: Committee { threshold: 1, keys: vec![key(&format!("{bank}/committee")).public_key()] },
        organisations: vec![bank.parse().unwrap()],
        accounts: all,
        instances: kinds.map(instance).to_vec(),
    }
}

/// The home bank and a partner, joined by a lane.
pub struct World {
    pub home: Chain,
    pub partner: Chain,
    pub client: ClientId,
    pub far: ClientId,
}

impl World {
    /// The home chain has one validator, the partner four. Debtors are paid what their orders need.
    pub fn new(bank: &'static str, orders: &[Order]) -> Self {
        let debtors: Vec<_> = orders.iter().map(|order| order.debtor.as_str()).collect();
        let mut unique = debtors.clone();
        unique.sort_unstable();
        unique.dedup();
        let (mut home, mut partner) = (Chain::new(HOME, 1, &unique), Chain::new(bank, 4, &[]));
        let (client, far) = (ClientId::bft(0), ClientId::bft(0));
        let time = home.time().plus_ms(1_000);
        home.follow(time, &partner, client.clone(), far.clone());
        partner.follow(time, &home, far.clone(), client.clone());
        let mut calls = vec![AssetCall::Create(Create { asset: ASSET.parse().unwrap(), decimals: 2 })];
        calls.extend(unique.iter().map(|debtor| {
            let mint =
                Mint { asset: ASSET.parse().unwrap(), to: home.name(debtor), amount: Amount(10_000_000) };
            AssetCall::Mint(mint)
        }));
        let calls = calls.iter().map(|one| call(catenary_apps::asset::KIND, one)).collect();
        home.transact(time.plus_ms(1_000), "operator", calls);
        Self { home, partner, client, far }
    }

    /// The next second on both chains.
    pub fn next_time(&self) -> Timestamp {
        self.home.time().max(self.partner.time()).plus_ms(1_000)
    }

    /// Opens and freezes an account of the partner.
    pub fn freeze(&mut self, number: &str) {
        let open = catenary_apps::admin::OpenAccount {
            number: number.parse().unwrap(),
            threshold: 1,
            keys: vec![catenary_apps::accounts::KeyGrant { key: key(number).public_key(), weight: 1 }],
        };
        let account = self.partner.name(number).id();
        let calls = vec![
            call(catenary_apps::admin::KIND, &AdminCall::OpenAccount(open)),
            call(catenary_apps::asset::KIND, &AssetCall::Freeze(Freeze { account })),
        ];
        self.partner.transact(self.next_time(), "operator", calls);
    }

    /// Sends a payment per order in one block of the home chain, which seals it.
    pub fn pay(&mut self, orders: &[(&Order, &Reference)]) -> Vec<Packet> {
        let time = self.next_time();
        let envelopes = orders.iter().map(|(order, reference)| {
            let send = TransferCall::Send(Send {
                client: self.client.clone(),
                asset: ASSET.parse().unwrap(),
                amount: order.amount,
                receiver: self.partner.name(order.creditor.as_str()),
                timeout: UnixSeconds(time.seconds().0 + TIMEOUT_S),
                memo: order.purpose.clone(),
            });
            let calls = vec![call(catenary_transfer::KIND, &send)];
            self.home.sign(time, order.debtor.as_str(), Some((*reference).clone()), calls)
        });
        let envelopes = envelopes.collect();
        let receipts = self.home.block(time, envelopes);
        assert!(receipts.iter().all(Receipt::succeeded), "{receipts:?}");
        self.home.seal();
        packets(&receipts, SEND_PACKET).into_iter().map(|(packet, _)| packet).collect()
    }

    /// Delivers packets; returns them with their answers.
    pub fn deliver(&mut self, packets_sent: &[Packet]) -> Vec<(Packet, Vec<u8>)> {
        let keys: Vec<_> =
            packets_sent.iter().map(|one| commitment_key(&one.source_client, one.sequence)).collect();
        let receive = PacketCall::Receive(Receive {
            client: self.far.clone(),
            update: self.home.update(&self.partner, &self.far),
            proof_height: self.home.height(),
            proof: Proof::multi(self.home.multiproof(&keys)),
            packets: packets_sent.to_vec(),
        });
        let time = self.next_time();
        let receipt = self.partner.transact(time, "relayer", vec![call(catenary_packet::KIND, &receive)]);
        self.partner.seal();
        packets(&[receipt], RECEIVE_PACKET)
    }

    /// Brings answers home.
    pub fn answer(&mut self, answers: &[(Packet, Vec<u8>)]) {
        let key = |(one, _): &(Packet, Vec<u8>)| acknowledgement_key(&one.dest_client, one.sequence);
        let keys: Vec<_> = answers.iter().map(key).collect();
        let answers = answers.iter().cloned();
        let acknowledge = PacketCall::Acknowledge(Acknowledge {
            client: self.client.clone(),
            update: self.partner.update(&self.home, &self.client),
            proof_height: self.partner.height(),
            proof: Proof::multi(self.partner.multiproof(&keys)),
            packets: answers
                .map(|(packet, acknowledgement)| AcknowledgedPacket { packet, acknowledgement })
                .collect(),
        });
        let time = self.next_time();
        self.home.transact(time, "relayer", vec![call(catenary_packet::KIND, &acknowledge)]);
        self.home.seal();
    }

    /// Lets packets run out of time.
    pub fn expire(&mut self, silent: &[Packet]) {
        let deadline = silent.iter().map(|one| one.timeout_timestamp).max().unwrap().start();
        self.partner.block(deadline.max(self.next_time()), Vec::new());
        let keys: Vec<_> = silent.iter().map(|one| receipt_key(&one.dest_client, one.sequence)).collect();
        let timeout = PacketCall::Timeout(Timeout {
            client: self.client.clone(),
            update: self.partner.update(&self.home, &self.client),
            proof_height: self.partner.height(),
            proof: Proof::multi(self.partner.multiproof(&keys)),
            packets: silent.to_vec(),
        });
        let time = self.next_time();
        self.home.transact(time, "relayer", vec![call(catenary_packet::KIND, &timeout)]);
        self.home.seal();
    }

    /// Writes the evidence of both chains.
    pub fn write(&self, dir: &Path, parameters: &[Parameters]) {
        let mut writer = HomeWriter::create(dir, &self.home.genesis).unwrap();
        parameters.iter().cloned().for_each(|parameters| writer.parameters(parameters));
        for block in &self.home.blocks {
            writer.block(&block.signed, &block.validators, &block.envelopes, &block.receipts).unwrap();
        }
        let lanes = writer.finish().unwrap();
        let mut writer = PartnerWriter::create(dir, self.partner.bank, &self.partner.genesis).unwrap();
        self.partner.blocks.iter().for_each(|block| writer.header(&block.signed, &block.validators));
        let newest = self.partner.at(self.partner.height());
        for request in lanes.iter().flat_map(|lane| &lane.requests) {
            let multiproof = self.partner.multiproof(&request.keys);
            writer.proof(&newest.signed, &newest.validators, request, &multiproof);
        }
        writer.finish().unwrap();
    }
}

fn packets(receipts: &[Receipt], kind: &str) -> Vec<(Packet, Vec<u8>)> {
    let events = receipts.iter().flat_map(|receipt| &receipt.events).filter(|event| event.kind == kind);
    let packet = |event: &catenary_types::Event| {
        let packet = Packet::decode(event.attribute("packet").unwrap()).unwrap();
        (packet, event.attribute("acknowledgement").unwrap_or_default().to_vec())
    };
    events.map(packet).collect()
}
