//! A router on a node: the relay machine, whose questions the node's chains answer.

use crate::{
    chain::Chain,
    setup::{Setup, TRUSTING_PERIOD_S, relayer},
};
use catenary_relay::{
    ChainConfig, ChainIndex, Effect, Input, LaneConfig, LaneEnd, Relay, RelayConfig, Ticket,
    gateway::{GatewayError, ProofRequest, SubmitOutcome},
};
use catenary_transfer::audit;
use catenary_types::{Height, Timestamp};
use std::collections::BTreeMap;

/// What a router wants to come back to.
pub enum Errand {
    /// A stream begins.
    Subscribe {
        /// Of this chain.
        chain: usize,
        /// From this block on.
        from: Height,
    },
    /// A proof is made.
    Prove {
        /// For the answer.
        ticket: Ticket,
        /// By this chain.
        chain: usize,
        /// Of what.
        request: ProofRequest,
    },
    /// Envelopes arrive at a chain.
    Submit {
        /// For the answer.
        ticket: Ticket,
        /// Which.
        chain: usize,
        /// Encoded.
        envelopes: Vec<Vec<u8>>,
    },
    /// An answer arrives.
    Answer(Box<Input>),
    /// A deadline may have passed.
    Wake,
}

impl Errand {
    /// What the report calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Subscribe { .. } => "effect: subscribe",
            Self::Prove { .. } => "effect: prove",
            Self::Submit { .. } => "effect: submit",
            Self::Answer(_) => "answer to a router",
            Self::Wake => "router woken",
        }
    }
}

/// A router that runs.
pub struct Router {
    relay: Relay,
    /// Of each chain, the next block of its stream, once it has begun.
    streams: Vec<Option<Height>>,
    /// Submissions that wait for the chain's answer, by the chain's ticket.
    submitted: BTreeMap<u64, Ticket>,
    armed: Option<Timestamp>,
}

impl Router {
    /// A router that knows nothing.
    pub fn new(setup: &Setup, number: usize, life: u64) -> Self {
        let relay = Relay::new(config(setup, number, life)).expect("a consistent configuration");
        let streams = vec![None; setup.chains.len()];
        Self { relay, streams, submitted: BTreeMap::new(), armed: None }
    }

    /// Takes one input; gives what it leads to.
    pub fn input(&mut self, now: Timestamp, input: Input) -> Vec<Errand> {
        let effects = self.relay.step(now, input);
        self.relay.check_invariants();
        let errand = |effect| match effect {
            Effect::Subscribe { chain, from } => Errand::Subscribe { chain: chain.0, from },
            Effect::Prove { ticket, chain, request } => Errand::Prove { ticket, chain: chain.0, request },
            Effect::Submit { ticket, chain, envelopes } => {
                Errand::Submit { ticket, chain: chain.0, envelopes }
            }
        };
        effects.into_iter().map(errand).collect()
    }

    /// Begins a stream.
    pub fn subscribe(&mut self, now: Timestamp, index: usize, chain: &Chain, from: Height) -> Vec<Errand> {
        self.streams[index] = Some(from);
        let subscribed = Input::Subscribed { chain: ChainIndex(index), tip: chain.height() };
        let mut errands = self.input(now, subscribed);
        errands.extend(self.pump(now, index, chain));
        errands
    }

    /// Tells of blocks that are new on a chain.
    pub fn pump(&mut self, now: Timestamp, index: usize, chain: &Chain) -> Vec<Errand> {
        let mut errands = Vec::new();
        while let Some(next) = self.streams[index]
            && let Some(block) = chain.final_block(next)
        {
            self.streams[index] = Some(next.next());
            let block = block.clone();
            errands.extend(self.input(now, Input::Final { chain: ChainIndex(index), block }));
        }
        errands
    }

    /// A chain's streams end.
    pub fn disconnect(&mut self, now: Timestamp, index: usize) -> Vec<Errand> {
        match self.streams[index].take() {
            Some(_) => self.input(now, Input::Disconnected { chain: ChainIndex(index) }),
            None => Vec::new(),
        }
    }

    /// Remembers which question a submission answers.
    pub fn remember(&mut self, of_chain: u64, ticket: Ticket) {
        self.submitted.insert(of_chain, ticket);
    }

    /// The answer to a submission, if this router made it.
    pub fn replied(&mut self, of_chain: u64, outcomes: Vec<SubmitOutcome>) -> Option<Input> {
        let ticket = self.submitted.remove(&of_chain)?;
        Some(Input::Submitted { ticket, result: Ok(outcomes) })
    }

    /// When the router must be woken, if that is another time than it was when asked last.
    pub fn rearm(&mut self) -> Option<Timestamp> {
        let deadline = self.relay.deadline();
        let changed = deadline != self.armed;
        self.armed = deadline;
        deadline.filter(|_| changed)
    }

    /// A deadline may have passed.
    pub fn wake(&mut self, now: Timestamp) -> Vec<Errand> {
        self.armed = None;
        let due = self.relay.deadline().is_some_and(|deadline| deadline <= now);
        if due { self.input(now, Input::Fired) } else { Vec::new() }
    }
}

/// The configuration of a router in one of its lives.
pub fn config(setup: &Setup, number: usize, life: u64) -> RelayConfig {
    let (account, key) = relayer(number);
    let config = |id: &catenary_types::ChainId| ChainConfig {
        chain_id: id.clone(),
        account: account.id(),
        key: key.clone(),
        from: Height(1),
    };
    let end = |(chain, client): &audit::End| LaneEnd {
        chain: ChainIndex(*chain),
        client: client.clone(),
        trusting_period_s: TRUSTING_PERIOD_S,
    };
    let lanes = setup.lanes.iter().map(|ends| LaneConfig { ends: ends.each_ref().map(end) });
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&(number as u64).to_be_bytes());
    seed[8..16].copy_from_slice(&life.to_be_bytes());
    RelayConfig {
        chains: setup.chains.iter().map(config).collect(),
        lanes: lanes.collect(),
        seed,
        patience_ms: 300 * number as u64,
    }
}

/// What a chain proves.
pub fn prove(chain: &Chain, request: &ProofRequest) -> Result<Vec<u8>, GatewayError> {
    let keys: Vec<_> = request.keys.iter().map(Vec::as_slice).collect();
    let state = chain.worker().state();
    let proof = state.stores().multiproof(request.height.0, request.store, &keys);
    proof.map(|proof| proof.encode()).map_err(|_| GatewayError::Height {
        requested: request.height,
        oldest: Height(chain.height().0.saturating_sub(64)),
        newest: chain.height(),
    })
}
