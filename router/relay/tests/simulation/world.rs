//! Chains, lanes and couriers under one seeded schedule: every delay, loss and crash follows from the seed.

use crate::chain::{SimChain, account, instance_call, key};
use catenary_packet::{ClientId, testing::START};
use catenary_relay::{
    ChainConfig, ChainIndex, Effect, Input, LaneConfig, LaneEnd, Relay, RelayConfig, Ticket,
    gateway::{GatewayError, ProofRequest, SubmitOutcome},
};
use catenary_transfer::{Send, TransferCall, audit};
use catenary_types::{Amount, AssetId, Height, Message, Timestamp, UnixSeconds};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::sync::Arc;

/// How rough the world is; each figure is out of 1,000.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// A question gets no answer.
    pub lost: u32,
    /// A question or its answer fails.
    pub failed: u32,
    /// An envelope arrives twice, a block is told twice.
    pub doubled: u32,
    /// A stream leaves a block out.
    pub skipped: u32,
    /// Per tick: a stream is cut.
    pub cut: u32,
    /// Per tick: a courier is killed and starts with nothing.
    pub killed: u32,
    /// Per tick: a chain halts for up to five seconds.
    pub halted: u32,
}

impl Faults {
    pub const ROUGH: Self =
        Self { lost: 60, failed: 120, doubled: 100, skipped: 10, cut: 10, killed: 15, halted: 3 };
}

/// Something on its way.
enum Transit {
    Prove { ticket: Ticket, chain: usize, request: ProofRequest },
    Submit { ticket: Ticket, chain: usize, envelopes: Vec<Vec<u8>> },
    Answer(Input),
}

struct Stream {
    ready_at: Timestamp,
    announced: bool,
    next: Height,
}

pub struct Courier {
    pub relay: Relay,
    pub dead: bool,
    life: u64,
    streams: Vec<Option<Stream>>,
    transit: Vec<(Timestamp, Transit)>,
    /// Envelopes handed to the chains, submissions of the same one counted again.
    pub submissions: usize,
    /// Proofs asked for.
    pub proofs: usize,
}

pub struct World {
    pub rng: StdRng,
    pub now: Timestamp,
    pub chains: Vec<SimChain>,
    pub lanes: Vec<[audit::End; 2]>,
    pub couriers: Vec<Courier>,
    pub faults: Faults,
    /// Most time that passes at once while nothing happens.
    pub jump_ms_max: u64,
    trusting_period_s: u64,
    patience_ms: [u64; 2],
    resume_at: Vec<Option<Timestamp>>,
}

/// How a world is laid out.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    pub chains: usize,
    pub validators: usize,
    pub couriers: usize,
    pub trusting_period_s: u64,
    pub idle_interval_s: u64,
    /// Of the first and the second courier.
    pub patience_ms: [u64; 2],
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            chains: 2,
            validators: 1,
            couriers: 1,
            trusting_period_s: 864_000,
            idle_interval_s: 86_400,
            patience_ms: [0, 0],
        }
    }
}

impl World {
    /// Chains in a ring of lanes (two chains have one lane).
    pub fn new(seed: u64, layout: Layout) -> Self {
        let names = ["north", "south", "east", "west"];
        let mut chains: Vec<_> = (0..layout.chains)
            .map(|index| SimChain::new(names[index], layout.validators, layout.idle_interval_s))
            .collect();
        let pairs: Vec<_> = match layout.chains {
            2 => vec![(0, 1)],
            count => (0..count).map(|index| (index, (index + 1) % count)).collect(),
        };
        let mut clients = vec![0; layout.chains];
        let mut now = START.start().plus_ms(1_000);
        let mut lanes = Vec::new();
        for (first, second) in pairs {
            let ids = [first, second].map(|chain| {
                clients[chain] += 1;
                ClientId::bft(clients[chain] - 1)
            });
            for (here, there, id, far) in [(first, second, 0, 1), (second, first, 1, 0)] {
                now = now.plus_ms(20);
                let mut chain = std::mem::replace(&mut chains[here], SimChain::new("none", 1, 1));
                chain.join(&chains[there], &ids[id], &ids[far], layout.trusting_period_s, now);
                chains[here] = chain;
            }
            lanes.push([(first, ids[0].clone()), (second, ids[1].clone())]);
        }
        let mut world = Self {
            rng: StdRng::seed_from_u64(seed),
            now,
            resume_at: chains.iter().map(|_| None).collect(),
            chains,
            lanes,
            couriers: Vec::new(),
            faults: Faults::default(),
            jump_ms_max: 500,
            trusting_period_s: layout.trusting_period_s,
            patience_ms: layout.patience_ms,
        };
        for index in 0..layout.couriers {
            let from = vec![Height(1); world.chains.len()];
            let relay = world.fresh_relay(index, 0, &from);
            world.couriers.push(Courier {
                relay,
                dead: false,
                life: 0,
                streams: world.chains.iter().map(|_| None).collect(),
                transit: Vec::new(),
                submissions: 0,
                proofs: 0,
            });
        }
        world
    }

    fn fresh_relay(&self, index: usize, life: u64, from: &[Height]) -> Relay {
        let number = format!("relayer-{index}");
        let relayer = Arc::new(key(&number));
        let chain = |(chain, from): (&SimChain, &Height)| ChainConfig {
            chain_id: chain.real.chain_id.clone(),
            account: account(&number).id(),
            key: relayer.clone(),
            from: *from,
        };
        let end = |(chain, client): &audit::End| LaneEnd {
            chain: ChainIndex(*chain),
            client: client.clone(),
            trusting_period_s: self.trusting_period_s,
        };
        let lanes = self.lanes.iter().map(|[first, second]| LaneConfig { ends: [end(first), end(second)] });
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&(index as u64 + 7).to_be_bytes());
        // Every third life forgets that it is not the first: the same seed must do no harm.
        seed[8..16].copy_from_slice(&(life - life % 3).to_be_bytes());
        let config = RelayConfig {
            chains: self.chains.iter().zip(from).map(chain).collect(),
            lanes: lanes.collect(),
            seed,
            patience_ms: self.patience_ms[index],
        };
        Relay::new(config).expect("a consistent configuration")
    }

    fn happens(&mut self, out_of_1000: u32) -> bool {
        self.rng.random_range(0..1_000) < out_of_1000
    }

    /// Some time passes and everything that is due happens.
    pub fn tick(&mut self) {
        let busy = self.chains.iter().any(|chain| chain.wants_block(self.now))
            || self.couriers.iter().any(|courier| self.is_busy(courier));
        let step_ms = self.rng.random_range(1..25);
        let soonest = self.now.plus_ms(step_ms);
        let jump = self.next_event().min(self.now.plus_ms(self.jump_ms_max));
        self.now = if busy { soonest } else { jump.max(soonest) };
        self.make_faults();
        for index in 0..self.chains.len() {
            let pause_over = self.now >= self.chains[index].time().plus_ms(20);
            if self.chains[index].wants_block(self.now) && pause_over {
                self.chains[index].make_block(self.now);
            }
        }
        for index in 0..self.couriers.len() {
            if !self.couriers[index].dead {
                self.run_courier(index);
            }
        }
    }

    fn is_busy(&self, courier: &Courier) -> bool {
        let behind = |(stream, chain): (&Option<Stream>, &SimChain)| {
            !chain.halted
                && stream.as_ref().is_some_and(|stream| stream.next <= chain.height() || !stream.announced)
        };
        !courier.dead && courier.streams.iter().zip(&self.chains).any(behind)
    }

    /// When something happens next in a world where nobody is busy.
    fn next_event(&self) -> Timestamp {
        let couriers = self.couriers.iter().filter(|courier| !courier.dead);
        let times = couriers.flat_map(|courier| {
            let transit = courier.transit.iter().map(|(at, _)| *at);
            transit.chain(courier.relay.deadline())
        });
        let resumes = self.resume_at.iter().flatten().copied();
        let heartbeats = self.chains.iter().filter(|chain| !chain.halted).map(SimChain::heartbeat_at);
        times.chain(resumes).chain(heartbeats).min().unwrap_or(self.now.plus_ms(1_000))
    }

    fn make_faults(&mut self) {
        for chain in 0..self.chains.len() {
            if self.resume_at[chain].is_some_and(|at| at <= self.now) {
                self.resume_at[chain] = None;
                self.chains[chain].halted = false;
            }
            if self.happens(self.faults.halted) && self.resume_at[chain].is_none() {
                let ms = self.rng.random_range(100..5_000);
                self.halt(chain, ms);
            }
        }
        for index in 0..self.couriers.len() {
            if self.happens(self.faults.killed) {
                let from_start = self.happens(500);
                self.kill(index, from_start);
            }
            let chain = self.rng.random_range(0..self.chains.len());
            if self.happens(self.faults.cut) && self.couriers[index].streams[chain].take().is_some() {
                self.answer_later(index, Input::Disconnected { chain: ChainIndex(chain) });
            }
        }
    }

    /// A chain makes no blocks and answers nothing for so long.
    pub fn halt(&mut self, chain: usize, ms: u64) {
        self.chains[chain].halted = true;
        self.resume_at[chain] = Some(self.now.plus_ms(ms));
    }

    /// A courier dies; the next one knows nothing, or a cursor that the old one left.
    pub fn kill(&mut self, index: usize, from_start: bool) {
        let cursor =
            |chain| if from_start { Height(1) } else { self.couriers[index].relay.cursor(ChainIndex(chain)) };
        let from: Vec<_> = (0..self.chains.len()).map(cursor).collect();
        let life = self.couriers[index].life + 1;
        let relay = self.fresh_relay(index, life, &from);
        let courier = &mut self.couriers[index];
        (courier.relay, courier.life) = (relay, life);
        courier.streams.iter_mut().for_each(|stream| *stream = None);
        // What was on its way to a chain still arrives; answers find nobody.
        courier.transit.retain(|(_, transit)| matches!(transit, Transit::Submit { .. }));
        courier.transit.iter_mut().for_each(|(_, transit)| {
            if let Transit::Submit { ticket, .. } = transit {
                *ticket = Ticket(u64::MAX);
            }
        });
    }

    fn delay(&mut self) -> Timestamp {
        let ms = self.rng.random_range(0..30);
        self.now.plus_ms(ms)
    }

    fn answer_later(&mut self, index: usize, input: Input) {
        let at = self.delay();
        self.couriers[index].transit.push((at, Transit::Answer(input)));
    }

    fn run_courier(&mut self, index: usize) {
        let now = self.now;
        let courier = &mut self.couriers[index];
        let (mut due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut courier.transit).into_iter().partition(|(at, _)| *at <= now);
        courier.transit = later;
        due.sort_by_key(|(at, _)| *at);
        for (_, transit) in due {
            match transit {
                Transit::Answer(input) => self.step(index, input),
                Transit::Prove { ticket, chain, request } => self.prove(index, ticket, chain, &request),
                Transit::Submit { ticket, chain, envelopes } => self.submit(index, ticket, chain, &envelopes),
            }
        }
        for chain in 0..self.chains.len() {
            self.pump(index, chain);
        }
        if self.couriers[index].relay.deadline().is_some_and(|deadline| deadline <= now) {
            self.step(index, Input::Fired);
        }
    }

    fn prove(&mut self, index: usize, ticket: Ticket, chain: usize, request: &ProofRequest) {
        if self.happens(self.faults.lost) {
            return;
        }
        let failed = self.happens(self.faults.failed);
        let result = if failed { Err(GatewayError::Busy) } else { self.chains[chain].prove(request) };
        self.answer_later(index, Input::ProofReady { ticket, result });
    }

    fn submit(&mut self, index: usize, ticket: Ticket, chain: usize, envelopes: &[Vec<u8>]) {
        let unavailable = || GatewayError::Unavailable("lost".into());
        if self.happens(self.faults.failed) {
            let result = Err(unavailable());
            return self.answer_later(index, Input::Submitted { ticket, result });
        }
        let twice = if self.happens(self.faults.doubled) { 2 } else { 1 };
        let mut outcomes: Vec<SubmitOutcome> = Vec::new();
        for _ in 0..twice {
            outcomes = envelopes.iter().map(|one| self.chains[chain].submit(one, self.now)).collect();
        }
        self.couriers[index].submissions += 1;
        if self.happens(self.faults.lost) {
            return;
        }
        // Taken, and nobody knows.
        let result = if self.happens(self.faults.failed) { Err(unavailable()) } else { Ok(outcomes) };
        self.answer_later(index, Input::Submitted { ticket, result });
    }

    /// Tells a courier of some blocks that it has not heard.
    fn pump(&mut self, index: usize, chain: usize) {
        let tip = self.chains[chain].height();
        if self.chains[chain].halted {
            return;
        }
        let Some(stream) = &mut self.couriers[index].streams[chain] else { return };
        if stream.ready_at > self.now {
            return;
        }
        let index_of = ChainIndex(chain);
        if !std::mem::replace(&mut stream.announced, true) {
            self.step(index, Input::Subscribed { chain: index_of, tip });
        }
        for _ in 0..self.rng.random_range(0..64) {
            let Some(stream) = &mut self.couriers[index].streams[chain] else { return };
            if stream.next > tip {
                return;
            }
            let height = stream.next;
            stream.next = height.next();
            if self.happens(self.faults.skipped) {
                continue;
            }
            let block = self.chains[chain].at(height).clone();
            if self.happens(self.faults.doubled) {
                self.step(index, Input::Final { chain: index_of, block: block.clone() });
            }
            self.step(index, Input::Final { chain: index_of, block });
        }
    }

    pub fn step(&mut self, index: usize, input: Input) {
        let relay = &mut self.couriers[index].relay;
        let effects = relay.step(self.now, input);
        relay.check_invariants();
        for effect in effects {
            match effect {
                Effect::Subscribe { chain, from } => {
                    let ready_at = self.delay();
                    let stream = Stream { ready_at, announced: false, next: from };
                    let lost = self.happens(self.faults.lost);
                    self.couriers[index].streams[chain.0] = (!lost).then_some(stream);
                }
                Effect::Prove { ticket, chain, request } => {
                    self.couriers[index].proofs += 1;
                    let at = self.delay();
                    let transit = Transit::Prove { ticket, chain: chain.0, request };
                    self.couriers[index].transit.push((at, transit));
                }
                Effect::Submit { ticket, chain, envelopes } => {
                    let at = self.delay();
                    let transit = Transit::Submit { ticket, chain: chain.0, envelopes };
                    self.couriers[index].transit.push((at, transit));
                }
            }
        }
    }

    /// A customer pays over a lane; the transaction waits in the pool of the chain.
    pub fn pay(
        &mut self,
        end: &audit::End,
        customer: usize,
        receiver: &str,
        amount: u128,
        timeout: UnixSeconds,
    ) {
        let asset = self.chains[end.0].asset();
        self.pay_in(end, customer, receiver, &asset, amount, timeout);
    }

    pub fn pay_in(
        &mut self,
        end: &audit::End,
        customer: usize,
        receiver: &str,
        asset: &AssetId,
        amount: u128,
        timeout: UnixSeconds,
    ) {
        let send = Send {
            client: end.1.clone(),
            asset: asset.clone(),
            amount: Amount(amount),
            receiver: account(receiver),
            timeout,
            memo: String::new(),
        };
        let call = instance_call("transfer", TransferCall::Send(send).encode());
        let chain = &mut self.chains[end.0];
        let envelope = chain.sign(&format!("customer-{customer}"), vec![call], self.now);
        chain.submit(&envelope, self.now);
    }

    pub fn network(&self) -> audit::Network<'_> {
        audit::Network {
            chains: self.chains.iter().map(SimChain::record).collect(),
            lanes: self.lanes.clone(),
        }
    }

    /// Whether a second count after `now` has no packet left to settle.
    pub fn is_settled(&self) -> bool {
        self.chains.iter().all(|chain| !chain.wants_block(self.now))
            && audit::all_settled(&self.network()).is_ok()
    }

    /// Runs until every packet is settled and checks all invariants. Invariant 8: it takes no longer than the last
    /// deadline, the longest pause, and some round trips.
    pub fn settle(&mut self, last_deadline: UnixSeconds) {
        let limit = self.now.max(last_deadline.start()).plus_ms(90_000);
        let mut ticks = 0;
        while !(ticks % 16 == 0 && self.is_settled()) {
            self.tick();
            ticks += 1;
            assert!(self.now <= limit, "packets are not settled: {:?}", audit::all_settled(&self.network()));
        }
        audit::check(&self.network()).unwrap();
        for courier in self.couriers.iter().filter(|courier| !courier.dead) {
            courier.relay.check_invariants();
        }
    }

    pub fn run_ms(&mut self, ms: u64) {
        let until = self.now.plus_ms(ms);
        while self.now < until {
            self.tick();
        }
    }

    /// Runs until something holds, at most a minute.
    pub fn run_until(&mut self, holds: impl Fn(&Self) -> bool) {
        let limit = self.now.plus_ms(60_000);
        while !holds(self) {
            self.tick();
            assert!(self.now <= limit, "it never came");
        }
    }

    pub fn seconds_from_now(&self, seconds: u64) -> UnixSeconds {
        UnixSeconds(self.now.seconds().0 + seconds)
    }
}
