//! A chain of the simulation: real genesis, state, ledger, headers and certificates; only consensus is left out.

use catenary_apps::{
    accounts::AccountName,
    admin::{Admin, AdminCall},
    asset::{Asset, AssetCall, Create, Mint},
};
use catenary_crypto::{SigningKey, empty_root, sha256, verify};
use catenary_ledger::{
    Apps, BlockContext, Ledger, State, check_state,
    records::{ReadRecords, committee_account},
};
use catenary_packet::{
    ClientId, PacketApp, PacketCall, is_redundant,
    messages::{CreateClient, Fraction, RegisterCounterparty},
};
use catenary_relay::gateway::{
    FinalBlock, GatewayError, ProofRequest, Refusal, RefusalReason, SharedBlock, SubmitOutcome,
};
use catenary_transfer::{Transfer, audit};
use catenary_types::{
    AccountId, AccountKey, Amount, AssetId, Block, Body, Call, Certificate, ChainId, CommitSignature,
    Committee, Genesis, GenesisAccount, GenesisInstance, Header, Height, Message, Organisation, Parameters,
    Receipt, RequestId, Role, SignedHeader, Timestamp, TxId, UnixSeconds, Validator, ValidatorSet, VoteKind,
    envelope::Transaction,
    genesis::{CONSENSUS_BFT, GenesisRole, SUITE_ED25519_SHA256},
    sign_bytes,
};
use std::{collections::BTreeMap, sync::Arc};

/// When every simulation starts: 2027-01-15T08:00:00Z.
pub const START: UnixSeconds = UnixSeconds(1_800_000_000);
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

pub struct SimChain {
    pub name: String,
    pub id: ChainId,
    pub state: State,
    pub blocks: Vec<SharedBlock>,
    /// Makes no blocks and answers nothing.
    pub halted: bool,
    /// Envelopes that hold these bytes are refused as too heavy.
    pub poison: Option<Vec<u8>>,
    ledger: Ledger,
    genesis_time: Timestamp,
    next_set: ValidatorSet,
    set_after: ValidatorSet,
    parameters: Parameters,
    pool: Vec<Transaction>,
    known: BTreeMap<TxId, Option<Height>>,
    last_tick: Option<Timestamp>,
    requests: u64,
}

impl SimChain {
    pub fn new(name: &str, validators: usize, idle_interval_s: u64) -> Self {
        let validators: Vec<_> = (0..validators).map(|index| validator(name, index)).collect();
        let parameters = Parameters { idle_interval_s, ..Parameters::for_group_of(validators.len()) };
        let genesis = genesis(name, validators, parameters);
        let apps = Apps::default()
            .with("admin", Admin)
            .with("asset", Asset)
            .with("packet", PacketApp::new(vec![Arc::new(Transfer)]))
            .with("transfer", Transfer);
        let ledger = Ledger::new(apps);
        let set = ValidatorSet::new(genesis.validators.clone()).unwrap();
        let mut chain = Self {
            name: name.into(),
            id: genesis.chain_id().unwrap(),
            state: ledger.genesis(&genesis).unwrap(),
            blocks: Vec::new(),
            halted: false,
            poison: None,
            ledger,
            genesis_time: genesis.time,
            next_set: set.clone(),
            set_after: set,
            parameters: genesis.parameters,
            pool: Vec::new(),
            known: BTreeMap::new(),
            last_tick: None,
            requests: 0,
        };
        chain.make_block(START.start());
        chain.issue();
        chain
    }

    /// The chain's own asset.
    pub fn asset(&self) -> AssetId {
        format!("{}-coin", self.name).parse().unwrap()
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
        Height(self.blocks.len() as u64)
    }

    pub fn time(&self) -> Timestamp {
        self.blocks.last().map_or(self.genesis_time, |block| block.signed.header.time)
    }

    pub fn at(&self, height: Height) -> &SharedBlock {
        &self.blocks[height.0 as usize - 1]
    }

    /// Signs a transaction in the name of an account of the bank, or of the committee.
    pub fn sign(&mut self, sender: &str, calls: Vec<Call>, now: Timestamp) -> Vec<u8> {
        self.requests += 1;
        let mut request_id = RequestId([0; 16]);
        request_id.0[..8].copy_from_slice(&self.requests.to_be_bytes());
        let sender_id = if sender == "committee" { committee_account() } else { account(sender).id() };
        let body = Body {
            chain_id: self.id.clone(),
            sender: sender_id,
            request_id,
            valid_until: UnixSeconds(now.max(self.time()).seconds().0 + 600),
            reference: None,
            calls,
        };
        body.sign(&[&key(sender)]).encode()
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
        let (replay, parameters) = (self.state.replay(), &self.parameters);
        if let Err(error) = check_state(&self.state, replay, parameters, &self.id, &transaction, at) {
            panic!("the relay sent what no block can take: {error}");
        }
        for signature in &transaction.signatures {
            verify(&signature.key, &transaction.signed_bytes, &signature.signature)
                .expect("signatures verify");
        }
        for call in &transaction.body.calls {
            let packet_call = (call.instance.as_str() == "packet").then(|| PacketCall::decode(&call.message));
            if let Some(Ok(call)) = packet_call
                && is_redundant(&self.state, &call)
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
        let heartbeat = now >= self.time().plus_ms(self.parameters.idle_interval_s * 1_000);
        !self.halted && (!self.pool.is_empty() || last_full || heartbeat)
    }

    /// When the next heartbeat is due.
    pub fn heartbeat_at(&self) -> Timestamp {
        self.time().plus_ms(self.parameters.idle_interval_s * 1_000)
    }

    pub fn make_block(&mut self, now: Timestamp) {
        let time = now.max(Timestamp(self.time().0 + 1));
        let transactions = std::mem::take(&mut self.pool);
        let envelopes: Vec<_> = transactions.iter().map(|transaction| transaction.bytes.clone()).collect();
        let header = self.next_header(time, &envelopes);
        let height = header.height;
        let validators = std::mem::replace(&mut self.next_set, self.set_after.clone());
        let signed = self.certify(header, &validators);
        let context = BlockContext { chain_id: self.id.clone(), height, time };
        let executed = self.ledger.execute(&self.state, &context, &transactions);
        self.state.apply(&executed);
        self.set_after = ValidatorSet::new(executed.validators).unwrap();
        self.parameters = executed.parameters;
        self.known.extend(transactions.iter().map(|transaction| (transaction.id, Some(height))));
        self.blocks.push(Arc::new(FinalBlock { signed, validators, receipts: executed.receipts }));
    }

    fn next_header(&self, time: Timestamp, envelopes: &[Vec<u8>]) -> Header {
        let last = self.blocks.last();
        Header {
            protocol_version: self.parameters.protocol_version,
            chain_id: self.id.clone(),
            height: self.height().next(),
            time,
            last_block: last.map(|block| block.signed.header.hash()),
            last_commit_hash: last.map_or_else(empty_root, |block| block.signed.certificate.hash()),
            data_hash: Block::data_hash(envelopes),
            validators_hash: self.next_set.hash(),
            next_validators_hash: self.set_after.hash(),
            consensus_hash: self.parameters.hash(),
            app_hash: self.state.app_hash(),
            last_results_hash: last.map_or_else(empty_root, |block| Receipt::results_hash(&block.receipts)),
            proposer: self.next_set.addresses()[0],
        }
    }

    /// A certificate of the whole set for any header.
    pub fn certify(&self, header: Header, set: &ValidatorSet) -> SignedHeader {
        let keys: BTreeMap<_, _> = (0..16)
            .map(|index| key(&format!("validator {} {index}", self.name)))
            .map(|key| (key.public_key(), key))
            .collect();
        let (block, time) = (header.hash(), header.time);
        let message =
            sign_bytes::vote(&header.chain_id, VoteKind::Precommit, header.height, 0, Some(block), time);
        let signature = |member: &Validator| CommitSignature::Commit {
            address: member.address(),
            time,
            signature: keys[&member.public_key].sign(&message),
        };
        let signatures = set.validators().iter().map(signature).collect();
        let certificate = Certificate { height: header.height, round: 0, block, signatures };
        SignedHeader { header, certificate }
    }

    pub fn prove(&self, request: &ProofRequest) -> Result<Vec<u8>, GatewayError> {
        if self.halted {
            return Err(GatewayError::Unavailable("halted".into()));
        }
        let keys: Vec<_> = request.keys.iter().map(Vec::as_slice).collect();
        let proof = self.state.stores().multiproof(request.height.0, request.store, &keys);
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
        let last = other.blocks.last().unwrap();
        let create = CreateClient {
            chain_id: other.id.to_string(),
            trust_level: Fraction { numerator: 1, denominator: 3 },
            quorum: Fraction { numerator: 2, denominator: 3 },
            trusting_period_s,
            clock_drift_ms: 10_000,
            update_bytes_max: 64 * 1024,
            signed_header: last.signed.encode(),
            validators: last.validators.encode().unwrap(),
        };
        let register = RegisterCounterparty { client: client.clone(), counterparty: far.clone() };
        let calls = [PacketCall::CreateClient(create), PacketCall::RegisterCounterparty(register)];
        let calls = calls.into_iter().map(|call| instance_call("packet", call.encode()));
        self.must("operator", calls.collect(), now);
    }

    pub fn account(&self, id: &AccountId) -> bool {
        self.state.account(id).is_some()
    }

    pub fn record(&self) -> audit::ChainRecord<'_> {
        let blocks = self.blocks.iter().map(|block| audit::BlockRecord {
            height: block.height(),
            time: block.signed.header.time,
            receipts: &block.receipts,
        });
        audit::ChainRecord { state: &self.state, blocks: blocks.collect() }
    }
}

/// The n-th validator of a chain.
pub fn validator(chain: &str, index: usize) -> Validator {
    Validator { public_key: key(&format!("validator {chain} {index}")).public_key(), power: 10 }
}

fn genesis(name: &str, validators: Vec<Validator>, parameters: Parameters) -> Genesis {
    let bank: Organisation = BANK.parse().unwrap();
    let account = |number: &str, roles: &[Role]| GenesisAccount {
        organisation: bank.clone(),
        number: number.parse().unwrap(),
        threshold: 1,
        keys: vec![AccountKey::ed25519(key(number).public_key())],
        roles: roles.iter().map(|role| GenesisRole { role: *role }).collect(),
    };
    let mut accounts = vec![account("operator", &[Role::Operator, Role::Issuer])];
    accounts.extend((0..2).map(|index| account(&format!("relayer-{index}"), &[Role::Relayer])));
    accounts.extend((0..CUSTOMERS).map(|index| account(&format!("customer-{index}"), &[])));
    let instance =
        |kind: &str| GenesisInstance { name: kind.parse().unwrap(), kind: kind.parse().unwrap(), version: 1 };
    Genesis {
        name: name.parse().unwrap(),
        revision: 1,
        suite: SUITE_ED25519_SHA256,
        consensus: CONSENSUS_BFT,
        time: Timestamp(START.start().0 - 1),
        parameters,
        validators,
        committee: Committee { threshold: 1, keys: vec![key("committee").public_key()] },
        organisations: vec![bank.clone()],
        accounts,
        instances: ["admin", "asset", "packet", "transfer"].into_iter().map(instance).collect(),
    }
}
