//! A chain in the middle of its life: four validators, customers with money, a lane, one block that everybody would take.

use catenary_consensus::{Decision, ValueId};
use catenary_crypto::SigningKey;
use catenary_ledger::{Ledger, State};
use catenary_relay::gateway::FinalBlock;
use catenary_replica::{Job, Tip, Worker};
use catenary_sim::setup::{CUSTOMERS, Payment, START, Setup, validator_seed};
use catenary_state::{Batch, StoreKind, StoreName};
use catenary_types::{
    Block, Certificate, Header, SignedHeader, Timestamp, UnixSeconds, ValidatorSet, testing::certify,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Validators of each chain.
pub const VALIDATORS: usize = 4;
/// The chain that everything here is about; the other one is at the far end of its lane.
pub const CHAIN: usize = 0;
/// Until when the payments of the world may be applied: five minutes after its last block.
pub const VALID_UNTIL: UnixSeconds = UnixSeconds(START.0 + 302);

/// The chain and what it is made of.
pub struct World {
    /// Genesis, keys, payments.
    pub setup: Setup,
    /// The owner of the state. It learns which signatures are good, and nothing else here.
    pub worker: Worker,
    /// Payments that may stand in the next block.
    pub payments: Vec<Vec<u8>>,
    /// The next block, with all of them.
    pub block: Block,
}

impl World {
    /// The chain after two blocks: a first one, and one that made clients, assets and money.
    pub fn new() -> Self {
        let setup = Setup::new(2, VALIDATORS, &BTreeSet::new());
        let mut workers = [worker(&setup, 0), worker(&setup, 1)];
        let mut firsts = Vec::new();
        for (chain, worker) in workers.iter_mut().enumerate() {
            firsts.push(Arc::new(commit(worker, chain, START.start(), vec![setup.tick(chain)])));
        }
        let [mut worker, _] = workers;
        let opening = setup.opening(CHAIN, &firsts);
        let opened = commit(&mut worker, CHAIN, second(1), vec![opening]);
        assert!(opened.receipts[0].succeeded(), "{:?}", opened.receipts);
        let payments: Vec<_> = (0..CUSTOMERS).map(|customer| payment(&setup, customer)).collect();
        let block = next_block(worker.tip(), second(2), payments.clone());
        Self { setup, worker, payments, block }
    }

    /// The state after the last block.
    pub fn state(&self) -> &State {
        self.worker.state()
    }

    /// The code of the chain.
    pub fn ledger(&self) -> &Ledger {
        &self.setup.ledger
    }

    /// The same state again, to be changed.
    pub fn copy_of_state(&self) -> State {
        let state = self.state();
        let version = state.height().0;
        let of_store = |(name, _): &(StoreName, StoreKind)| {
            let entries = state.stores().iter_store(version, *name).expect("the newest version is kept");
            let batch: Batch = entries.map(|(key, value)| (key.to_vec(), Some(value.to_vec()))).collect();
            (*name, batch)
        };
        let trees = State::STORES.iter().filter(|(_, kind)| *kind != StoreKind::External);
        let content: BTreeMap<_, _> = trees.map(of_store).collect();
        let copy = State::restore(state.height(), content, state.replay().clone());
        assert_eq!(copy.app_hash(), state.app_hash(), "a copy has the same root");
        copy
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

/// So many seconds after the start.
pub fn second(number: u64) -> Timestamp {
    UnixSeconds(START.0 + number).start()
}

/// The keys of the chain's validators.
pub fn validator_keys(chain: usize) -> impl Iterator<Item = SigningKey> {
    (0..VALIDATORS).map(move |validator| SigningKey::from_seed(&validator_seed(chain, validator)))
}

fn worker(setup: &Setup, chain: usize) -> Worker {
    let genesis = &setup.genesis[chain];
    let state = setup.ledger.genesis(genesis).expect("the genesis is well formed");
    let tip = Tip::genesis(genesis, setup.chains[chain].clone(), &state).expect("a valid set");
    Worker::new(setup.ledger.clone(), state, tip, BTreeMap::new())
}

/// The next block of a tip, built by the leader of its set.
pub fn next_block(tip: &Tip, time: Timestamp, envelopes: Vec<Vec<u8>>) -> Block {
    let header = tip.next_header(time, tip.next_validators.addresses()[0], &envelopes);
    let last_certificate = tip.block.as_ref().map(|block| block.certificate.clone());
    Block { header, last_certificate, envelopes }
}

/// The certificate of a header by all of a set.
pub fn certificate(header: &Header, set: &ValidatorSet, chain: usize) -> Certificate {
    certify(header, set, 0, &[], validator_keys(chain))
}

fn commit(worker: &mut Worker, chain: usize, time: Timestamp, envelopes: Vec<Vec<u8>>) -> FinalBlock {
    let block = Arc::new(next_block(worker.tip(), time, envelopes));
    let validators = worker.tip().next_validators.clone();
    let certificate = certificate(&block.header, &validators, chain);
    let value = ValueId { block: certificate.block, time };
    let decision = Decision { certificate: certificate.clone(), value, evidence: Vec::new() };
    let done = worker.run(Job::Execute { block: block.clone(), decision });
    let catenary_replica::Done::Executed(executed) = done else { panic!("{done:?} answers an execution") };
    let signed = SignedHeader { header: block.header.clone(), certificate };
    FinalBlock { signed, validators: (*validators).clone(), receipts: executed.receipts }
}

fn payment(setup: &Setup, customer: usize) -> Vec<u8> {
    let payment = Payment {
        from: setup.lanes[0][CHAIN].clone(),
        customer,
        receiver: 0,
        amount: 100 + customer as u128,
        timeout: VALID_UNTIL,
        number: 10 + customer as u64,
    };
    setup.payment(&payment)
}
