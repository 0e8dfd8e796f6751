//! A chain of the simulation: real genesis, state, ledger, headers and certificates; only consensus is left out.

use catenary_apps::{
    accounts::AccountName,
    admin::{Admin, AdminCall},
    asset::{Asset, AssetCall, Create, Mint},
};
use catenary_crypto::{SigningKey, sha256, verify};
use catenary_ledger::{
    Apps, check_state,
    records::{ReadRecords, committee_account},
};
use catenary_packet::{
    ClientId, PacketApp, PacketCall, is_redundant,
    messages::{CreateClient, RegisterCounterparty},
    testing::{START, TestBlock, TestChain, validator},
};
use catenary_relay::gateway::{
    FinalBlock, GatewayError, ProofRequest, Refusal, RefusalReason, SharedBlock, SubmitOutcome,
};
use catenary_transfer::{Transfer, audit};
use catenary_types::{
    AccountId, Amount, AssetId, Call, Committee, Genesis, Height, Message, Parameters, Receipt, Role,
    Timestamp, TxId, Validator, envelope::Transaction, testing,
};
use std::{collections::BTreeMap, sync::Arc};

/// Customers of each chain.
pub const CUSTOMERS: usize = 4;
/// What each customer has at the start.
pub const FUNDS: u128 = 1_000_000;

pub const BANK: &str = "bank";

pub fn key(of: &str) -> SigningKey {
    SigningKey::from_seed(&sha256(of.as_bytes()).0)
}

pub fn account(number: &str) -> AccountName {
    AccountName { organisation: BANK.parse().unwrap(), number: number.parse().unwrap() }
}

pub fn instance_call(instance: &str, message: Vec<u8>) -> Call {
    Call { instance: instance.parse().unwrap(), message }
}

/// A chain of real blocks, and what stands at its door.
pub struct SimChain {
    pub real: TestChain,
    /// What streams tell of its blocks.
    pub blocks: Vec<SharedBlock>,
    /// Makes no blocks and answers nothing.
    pub halted: bool,
    /// Envelopes that hold these bytes are refused as too heavy.
    pub poison: Option<Vec<u8>>,
    pool: Vec<Transaction>,
    known: BTreeMap<TxId, Option<Height>>,
    last_tick: Option<Timestamp>,
}

impl SimChain {
    pub fn new(name: &str, validators: usize, idle_interval_s: u64) -> Self {
        let validators: Vec<_> = (0..validators).map(|index| validator(name, index, 10)).collect();
        let apps = Apps::default()
            .with("admin", Admin)
            .with("asset", Asset)
            .with("packet", PacketApp::new(vec![Arc::new(Transfer)]))
            .with("transfer", Transfer);
        let mut chain = Self {
            real: TestChain::from_genesis(genesis(name, validators, idle_interval_s), apps, START.start()),
            blocks: Vec::new(),
            halted: false,
            poison: None,
            pool: Vec::new(),
            known: BTreeMap::new(),
            last_tick: None,
        };
        chain.tell();
        chain.issue();
        chain
    }

    /// The chain's own asset.
    pub fn asset(&self) -> AssetId {
        format!("{}-coin", self.real.name).parse().unwrap()
    }

    fn issue(&mut self) {
        let asset = self.asset();
        let mut calls = vec![AssetCall::Create(Create { asset: asset.clone(), decimals: 2 })];
        calls.extend((0..CUSTOMERS).map(|index| {
            let to = account(&format!("customer-{index}"));
            AssetCall::Mint(Mint { asset: asset.clone(), to, amount: Amount(FUNDS) })
        }));
        let calls = calls.into_iter().map(|call| instance_call("asset", call.encode()));
        self.must("operator", calls.collect(), START.start().plus_ms(20));
    }

    pub fn height(&self) -> Height {
        self.real.height()
    }

    pub fn time(&self) -> Timestamp {
        self.real.time()
    }

    pub fn at(&self, height: Height) -> &SharedBlock {
        &self.blocks[height.0 as usize - 1]
    }

    /// Signs a transaction in the name of an account of the bank, or of the committee.
    pub fn sign(&mut self, sender: &str, calls: Vec<Call>, now: Timestamp) -> Vec<u8> {
        let id = if sender == "committee" { committee_account() } else { account(sender).id() };
        self.real.body(now.max(self.time()), id, calls).sign(&[&key(sender)]).encode()
    }

    /// One transaction in a block of its own, which must succeed.
    pub fn must(&mut self, sender: &str, calls: Vec<Call>, now: Timestamp) -> Receipt {
        let envelope = self.sign(sender, calls, now);
        assert!(matches!(self.submit(&envelope, now), SubmitOutcome::Accepted(_)));
        self.make_block(now);
        let receipt = self.blocks.last().unwrap().receipts.last().unwrap().clone();
        assert!(receipt.succeeded(), "{receipt:?}");
        receipt
    }

    /// What the door says to an envelope.
    pub fn submit(&mut self, envelope: &[u8], now: Timestamp) -> SubmitOutcome {
        let refuse = |reason| SubmitOutcome::Refused(Refusal { reason, detail: String::new() });
        if self.halted {
            return refuse(RefusalReason::Halted);
        }
        let Ok(transaction) = Transaction::decode(envelope) else {
            return refuse(RefusalReason::MalformedEnvelope);
        };
        let tx_id = transaction.id;
        if let Some(height) = self.known.get(&tx_id) {
            return SubmitOutcome::Known { tx_id, height: *height };
        }
        let holds = |poison: &Vec<u8>| envelope.windows(poison.len()).any(|window| window == poison);
        if self.poison.as_ref().is_some_and(holds) {
            return refuse(RefusalReason::TooHeavy);
        }
        let at = (self.height().next(), now.max(self.time()));
        let TestChain { state, parameters, chain_id, .. } = &self.real;
        if let Err(error) = check_state(state, state.replay(), parameters, chain_id, &transaction, at) {
            panic!("the relay sent what no block can take: {error}");
        }
        for signature in &transaction.signatures {
            verify(&signature.key, &transaction.signed_bytes, &signature.signature)
                .expect("signatures verify");
        }
        for call in &transaction.body.calls {
            let packet_call = (call.instance.as_str() == "packet").then(|| PacketCall::decode(&call.message));
            if let Some(Ok(call)) = packet_call
                && is_redundant(&self.real.state, &call)
            {
                return refuse(RefusalReason::Redundant);
            }
            if call.instance.as_str() == "admin"
                && matches!(AdminCall::decode(&call.message), Ok(AdminCall::Tick(_)))
            {
                if self.last_tick.is_some_and(|last| now < last.plus_ms(1_000)) {
                    return refuse(RefusalReason::Busy);
                }
                self.last_tick = Some(now);
            }
        }
        self.known.insert(tx_id, None);
        self.pool.push(transaction);
        SubmitOutcome::Accepted(tx_id)
    }

    /// Whether the chain has a block to make.
    pub fn wants_block(&self, now: Timestamp) -> bool {
        let last_full = self.blocks.last().is_some_and(|block| !block.receipts.is_empty());
        !self.halted && (!self.pool.is_empty() || last_full || now >= self.heartbeat_at())
    }

    /// When the next heartbeat is due.
    pub fn heartbeat_at(&self) -> Timestamp {
        self.time().plus_ms(self.real.parameters.idle_interval_s * 1_000)
    }

    pub fn make_block(&mut self, now: Timestamp) {
        let transactions = std::mem::take(&mut self.pool);
        self.real.append(now.max(Timestamp(self.time().0 + 1)), &transactions);
        let height = self.height();
        self.known.extend(transactions.iter().map(|transaction| (transaction.id, Some(height))));
        self.tell();
    }

    fn tell(&mut self) {
        let TestBlock { signed, validators, receipts, .. } = self.real.at(self.height());
        let (signed, validators, receipts) = (signed.clone(), validators.clone(), receipts.clone());
        self.blocks.push(Arc::new(FinalBlock { signed, validators, receipts }));
    }

    pub fn prove(&self, request: &ProofRequest) -> Result<Vec<u8>, GatewayError> {
        if self.halted {
            return Err(GatewayError::Unavailable("halted".into()));
        }
        let keys: Vec<_> = request.keys.iter().map(Vec::as_slice).collect();
        let proof = self.real.state.stores().multiproof(request.height.0, request.store, &keys);
        proof.map(|proof| proof.encode()).map_err(|_| GatewayError::Height {
            requested: request.height,
            oldest: Height(self.height().0.saturating_sub(64)),
            newest: self.height(),
        })
    }

    /// Follows another chain with a new client and names the far end.
    pub fn join(
        &mut self,
        other: &SimChain,
        client: &ClientId,
        far: &ClientId,
        trusting_period_s: u64,
        now: Timestamp,
    ) {
        let create = CreateClient { trusting_period_s, ..other.real.client_at(other.height()) };
        let register = RegisterCounterparty { client: client.clone(), counterparty: far.clone() };
        let calls = [PacketCall::CreateClient(create), PacketCall::RegisterCounterparty(register)];
        let calls = calls.into_iter().map(|call| instance_call("packet", call.encode()));
        self.must("operator", calls.collect(), now);
    }

    pub fn account(&self, id: &AccountId) -> bool {
        self.real.state.account(id).is_some()
    }

    pub fn record(&self) -> audit::ChainRecord<'_> {
        let blocks = self.blocks.iter().map(|block| audit::BlockRecord {
            height: block.height(),
            time: block.signed.header.time,
            receipts: &block.receipts,
        });
        audit::ChainRecord { state: &self.real.state, blocks: blocks.collect() }
    }
}

fn genesis(name: &str, validators: Vec<Validator>, idle_interval_s: u64) -> Genesis {
    let account = |number: &str, roles: &[Role]| testing::account(BANK, number, &key(number), roles);
    let mut accounts = vec![account("operator", &[Role::Operator, Role::Issuer])];
    accounts.extend((0..2).map(|index| account(&format!("relayer-{index}"), &[Role::Relayer])));
    accounts.extend((0..CUSTOMERS).map(|index| account(&format!("customer-{index}"), &[])));
    Genesis {
        parameters: Parameters { idle_interval_s, ..Parameters::for_group_of(validators.len()) },
        committee: Committee { threshold: 1, keys: vec![key("committee").public_key()] },
        organisations: vec![BANK.parse().unwrap()],
        accounts,
        instances: ["admin", "asset", "packet", "transfer"].map(testing::instance).to_vec(),
        ..testing::genesis(name, Timestamp(START.start().0 - 1), validators)
    }
}
