//! What every simulation starts from: chains in a ring of lanes, four customers each.

use catenary_apps::{
    accounts::AccountName,
    admin::{self, Admin, AdminCall, Tick},
    asset::{self, Asset, AssetCall, Create, Mint},
};
use catenary_crypto::{SigningKey, sha256};
use catenary_ledger::{Apps, Ledger};
use catenary_packet::{
    ClientId, PacketApp, PacketCall,
    messages::{CreateClient, RegisterCounterparty},
};
use catenary_relay::gateway::FinalBlock;
use catenary_replica::Reporter;
use catenary_transfer::{Send, Transfer, TransferCall, audit};
use catenary_types::{
    Amount, AssetId, Body, Call, ChainId, Committee, Genesis, Message, RequestId, Role, UnixSeconds,
    Validator,
    limits::{CALLS_MAX, ENVELOPE_BYTES_MAX},
    testing,
};
use std::{collections::BTreeSet, sync::Arc};

/// When every simulation starts: 2027-01-15T08:00:00Z.
pub const START: UnixSeconds = UnixSeconds(1_800_000_000);
/// The number of the relayer that nobody asked to relay.
pub const ROGUE: usize = 2;
/// Customers of each chain.
pub const CUSTOMERS: usize = 4;
/// What each of them has at the start.
const FUNDS: u128 = 1_000_000;
/// How long a light client may go without news.
pub const TRUSTING_PERIOD_S: u64 = 864_000;
/// Shortest time between two blocks, in milliseconds.
const BLOCK_INTERVAL_MS: u64 = 100;

/// Weight of a block: little, so that a transaction can be too heavy.
const BLOCK_WEIGHT_MAX: u64 = 20_000;

const BANK: &str = "bank";
const NAMES: [&str; 4] = ["north", "south", "east", "west"];

/// The chains and lanes of a world.
pub struct Setup {
    /// The genesis of each chain.
    pub genesis: Vec<Genesis>,
    /// Their ids.
    pub chains: Vec<ChainId>,
    /// Both ends of every lane.
    pub lanes: Vec<[audit::End; 2]>,
    /// What every node runs.
    pub ledger: Ledger,
}

impl Setup {
    /// So many chains, from two to four, with so many validators each, of which some may fail.
    pub fn new(chains: usize, validators: usize, weak: &BTreeSet<usize>) -> Self {
        let genesis: Vec<_> = NAMES[..chains].iter().map(|name| genesis(name, validators, weak)).collect();
        let id = |genesis: &Genesis| genesis.chain_id().expect("the genesis is well formed");
        let pairs: Vec<_> = match chains {
            2 => vec![(0, 1)],
            _ => (0..chains).map(|chain| (chain, (chain + 1) % chains)).collect(),
        };
        let mut clients = vec![0; chains];
        let mut end = |chain: usize| {
            clients[chain] += 1;
            (chain, ClientId::bft(clients[chain] - 1))
        };
        let lanes = pairs.into_iter().map(|(first, second)| [end(first), end(second)]).collect();
        let apps = Apps::default()
            .with(admin::KIND, Admin)
            .with(asset::KIND, Asset)
            .with(catenary_packet::KIND, PacketApp::new(vec![Arc::new(Transfer)]))
            .with(catenary_transfer::KIND, Transfer);
        Self { chains: genesis.iter().map(id).collect(), genesis, lanes, ledger: Ledger::new(apps) }
    }

    /// The asset that a chain issues.
    pub fn asset(&self, chain: usize) -> AssetId {
        format!("{}-coin", NAMES[chain]).parse().expect("a well-formed asset")
    }

    /// A transaction that makes a first block.
    pub fn tick(&self, chain: usize) -> Vec<u8> {
        let tick = call(admin::KIND, &AdminCall::Tick(Tick {}));
        self.sign(chain, "operator", 1, vec![tick], START.0 + 600)
    }

    /// The transaction that gives a chain its clients of others, each from a header of theirs, its asset and its customers'
    /// funds.
    pub fn opening(&self, chain: usize, headers: &[Arc<FinalBlock>]) -> Vec<u8> {
        let mut calls = Vec::new();
        for (here, there) in self.ends_of(chain) {
            let last = &headers[there.0];
            let create = CreateClient::new(&last.signed, &last.validators, TRUSTING_PERIOD_S);
            let register = RegisterCounterparty { client: here.1.clone(), counterparty: there.1.clone() };
            let steps = [PacketCall::CreateClient(create), PacketCall::RegisterCounterparty(register)];
            calls.extend(steps.iter().map(|step| call(catenary_packet::KIND, step)));
        }
        let asset = self.asset(chain);
        let create = AssetCall::Create(Create { asset: asset.clone(), decimals: 2 });
        calls.push(call(asset::KIND, &create));
        calls.extend((0..CUSTOMERS).map(|customer| {
            let mint =
                Mint { asset: asset.clone(), to: name(&customer_name(customer)), amount: Amount(FUNDS) };
            call(asset::KIND, &AssetCall::Mint(mint))
        }));
        self.sign(chain, "operator", 2, calls, START.0 + 600)
    }

    /// The chain at the other end of a lane.
    pub fn other_end(&self, chain: usize, client: &ClientId) -> Option<usize> {
        let ends = self.ends_of(chain);
        ends.into_iter().find(|(here, _)| here.1 == *client).map(|(_, there)| there.0)
    }

    /// The ends of a chain, in the order of their clients, each with the end that it is joined to.
    fn ends_of(&self, chain: usize) -> Vec<(audit::End, audit::End)> {
        let both = self
            .lanes
            .iter()
            .flat_map(|[first, second]| [(first.clone(), second.clone()), (second.clone(), first.clone())]);
        let mut own: Vec<_> = both.filter(|(here, _)| here.0 == chain).collect();
        own.sort_by(|one, other| one.0.1.cmp(&other.0.1));
        own
    }

    /// A payment over a lane by a customer of its first end.
    pub fn payment(&self, payment: &Payment) -> Vec<u8> {
        let Payment { from, customer, receiver, amount, timeout, number } = payment;
        let send = Send {
            client: from.1.clone(),
            asset: self.asset(from.0),
            amount: Amount(*amount),
            receiver: name(&customer_name(*receiver)),
            timeout: *timeout,
            memo: String::new(),
        };
        let call = call(catenary_transfer::KIND, &TransferCall::Send(send));
        self.sign(from.0, &customer_name(*customer), *number, vec![call], timeout.0)
    }

    /// A transaction that no chain takes. Its `number` should be new.
    pub fn refused(&self, chain: usize, why: Mistake, number: u64, now: UnixSeconds) -> Vec<u8> {
        let tick = || call(admin::KIND, &AdminCall::Tick(Tick {}));
        let pay = |asset: AssetId| {
            let to = name(&customer_name(1));
            let pay = asset::Transfer { asset, to, amount: Amount(number.into()), memo: String::new() };
            call(asset::KIND, &AssetCall::Transfer(pay))
        };
        let (customer, until) = (customer_name(0), now.0 + 60);
        match why {
            Mistake::Garbage => number.to_be_bytes().to_vec(),
            Mistake::TooLarge => vec![0; ENVELOPE_BYTES_MAX + 1],
            Mistake::OtherChain => {
                self.sign((chain + 1) % self.chains.len(), &customer, number, vec![tick()], until)
            }
            Mistake::Stranger => self.sign(chain, "stranger", number, vec![tick()], until),
            Mistake::Forged => {
                let mut envelope = self.sign(chain, &customer, number, vec![pay(self.asset(chain))], until);
                *envelope.last_mut().expect("an envelope is not empty") ^= 1;
                envelope
            }
            Mistake::TooLate => self.sign(chain, &customer, number, vec![tick()], now.0 - 60),
            Mistake::TooLong => self.sign(chain, &customer, number, vec![tick()], now.0 + 1_000_000_000),
            Mistake::UsedId => self.sign(chain, &customer, 1, vec![pay(self.asset(chain))], START.0 + 600),
            Mistake::TooHeavy => {
                self.sign(chain, &customer, number, vec![pay(self.asset(chain)); CALLS_MAX], until)
            }
        }
    }

    /// A call of the relayer that nobody asked to relay.
    pub fn rogue_call(&self, chain: usize, number: u64, packet: &PacketCall, valid_until: u64) -> Vec<u8> {
        let call = call(catenary_packet::KIND, packet);
        self.sign(chain, &format!("relayer-{ROGUE}"), number, vec![call], valid_until)
    }

    fn sign(&self, chain: usize, sender: &str, number: u64, calls: Vec<Call>, valid_until: u64) -> Vec<u8> {
        let mut request_id = RequestId([0; 16]);
        request_id.0[..8].copy_from_slice(&number.to_be_bytes());
        let body = Body {
            chain_id: self.chains[chain].clone(),
            sender: name(sender).id(),
            request_id,
            valid_until: UnixSeconds(valid_until),
            reference: None,
            calls,
        };
        body.sign(&[&key(sender)]).encode()
    }
}

/// What is wrong with a transaction that no chain takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// It is none.
    Garbage,
    /// It has too many bytes.
    TooLarge,
    /// It is for another chain.
    OtherChain,
    /// Nobody knows its sender.
    Stranger,
    /// Its signature is not the sender's.
    Forged,
    /// Its time is over.
    TooLate,
    /// It would be valid for too long.
    TooLong,
    /// Its request id belongs to another one.
    UsedId,
    /// It weighs more than a block takes.
    TooHeavy,
}

impl Mistake {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Garbage,
        Self::TooLarge,
        Self::OtherChain,
        Self::Stranger,
        Self::Forged,
        Self::TooLate,
        Self::TooLong,
        Self::UsedId,
        Self::TooHeavy,
    ];
}

/// A customer pays another bank's customer.
pub struct Payment {
    /// Where it leaves.
    pub from: audit::End,
    /// Who pays.
    pub customer: usize,
    /// Who receives.
    pub receiver: usize,
    /// How much.
    pub amount: u128,
    /// Until when.
    pub timeout: UnixSeconds,
    /// Its number, which no other payment has.
    pub number: u64,
}

/// The key of a name.
pub fn key(of: &str) -> SigningKey {
    SigningKey::from_seed(&sha256(of.as_bytes()).0)
}

/// The seed of a validator's key.
pub fn validator_seed(chain: usize, validator: usize) -> [u8; 32] {
    sha256(format!("validator {} {validator}", NAMES[chain]).as_bytes()).0
}

/// The account of a router.
pub fn relayer(number: usize) -> (AccountName, Arc<SigningKey>) {
    let text = format!("relayer-{number}");
    (name(&text), Arc::new(key(&text)))
}

/// Who reports double votes: the operator of each chain.
pub fn reporter() -> Reporter {
    Reporter { account: name("operator").id(), key: Arc::new(key("operator")) }
}

fn customer_name(number: usize) -> String {
    format!("customer-{number}")
}

fn name(number: &str) -> AccountName {
    AccountName {
        organisation: BANK.parse().expect("an organisation"),
        number: number.parse().expect("an account number"),
    }
}

fn call(instance: &str, message: &impl Message) -> Call {
    Call { instance: instance.parse().expect("kinds are instance names"), message: message.encode() }
}

/// Power is the same for all, but on the second chain: there two of those that do not fail have twice as much, so that
/// exactly two thirds of it can meet.
fn genesis(chain: &str, validators: usize, weak: &BTreeSet<usize>) -> Genesis {
    let index = NAMES.iter().position(|name| *name == chain).unwrap_or_default();
    let heavy: BTreeSet<_> = (0..validators).filter(|number| !weak.contains(number)).take(2).collect();
    let validator = |number| {
        let public_key = SigningKey::from_seed(&validator_seed(index, number)).public_key();
        let twice = index == 1 && heavy.contains(&number);
        Validator { public_key, power: if twice { 20 } else { 10 } }
    };
    let begins = catenary_types::Timestamp(START.start().0 - 1);
    let mut genesis = testing::genesis(chain, begins, (0..validators).map(validator).collect());
    genesis.parameters.block_interval_ms_min = BLOCK_INTERVAL_MS;
    genesis.parameters.block_weight_max = BLOCK_WEIGHT_MAX;
    genesis.committee = Committee { threshold: 1, keys: vec![key("committee").public_key()] };
    genesis.organisations = vec![BANK.parse().expect("an organisation")];
    let account = |number: &str, roles: &[Role]| testing::account(BANK, number, &key(number), roles);
    genesis.accounts = vec![account("operator", &[Role::Operator, Role::Issuer])];
    genesis
        .accounts
        .extend((0..=ROGUE).map(|number| account(&format!("relayer-{number}"), &[Role::Relayer])));
    genesis.accounts.extend((0..CUSTOMERS).map(|number| account(&customer_name(number), &[])));
    let kinds = [admin::KIND, asset::KIND, catenary_packet::KIND, catenary_transfer::KIND];
    genesis.instances = kinds.map(testing::instance).to_vec();
    genesis
}
