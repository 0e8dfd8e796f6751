//! The machine: inputs in, effects out.
//!
//! | File | What it does |
//! |---|---|
//! | `mod.rs` | the state, `step`, `deadline`, the invariants |
//! | `listen.rs` | streams and the news in final blocks |
//! | `dispatch.rs` | decides what to do now and starts it |
//! | `settle.rs` | answers, receipts, and what becomes of a call |

mod dispatch;
mod listen;
mod settle;

use crate::{
    chain::{Certified, ChainView},
    client::ClientView,
    flow::{Flow, Step},
    interface::{ChainIndex, ConfigError, Effect, Input, RelayConfig, Ticket},
    job::{Job, Sealer, Task},
    limits::JOBS_PER_STEP_MAX,
    work::Work,
};
use catenary_packet::ClientId;
use catenary_types::{Height, Timestamp, TxId};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

/// What has no time.
pub(crate) const NEVER: Timestamp = Timestamp(u64::MAX);

/// Two headers of one height, and a client that should see them.
#[derive(Debug)]
struct Evidence {
    client: usize,
    known: Arc<Certified>,
    other: Arc<Certified>,
    work: Work,
}

/// The courier of a set of lanes.
///
/// End `2 * lane + side` is a client and the source end of a flow; `end ^ 1` is the other end of its lane.
#[derive(Debug)]
pub struct Relay {
    chains: Vec<ChainView>,
    clients: Vec<ClientView>,
    flows: Vec<Flow>,
    ends: BTreeMap<(ChainIndex, ClientId), usize>,
    patience_ms: u64,
    sealer: Sealer,
    jobs: BTreeMap<Ticket, Job>,
    by_tx: BTreeMap<(ChainIndex, TxId), Ticket>,
    evidence: VecDeque<Evidence>,
    next_ticket: Ticket,
    /// The latest time that was told.
    now: Timestamp,
    /// Flows for which something changed since they were last looked at.
    dirty: BTreeSet<usize>,
    /// When time alone makes the next change.
    due: Timestamp,
    effects: Vec<Effect>,
}

impl Relay {
    /// A relay that knows nothing yet; its first step subscribes to every chain.
    pub fn new(config: RelayConfig) -> Result<Self, ConfigError> {
        let chains = config.chains.len();
        let mut clients = Vec::new();
        let mut ends = BTreeMap::new();
        for lane in &config.lanes {
            let [first, second] = &lane.ends;
            for (end, other) in [(first, second), (second, first)] {
                let index = end.chain.0;
                let chain = config.chains.get(index).ok_or(ConfigError::UnknownChain { index, chains })?;
                if end.chain == other.chain {
                    return Err(ConfigError::Loop(chain.chain_id.clone()));
                }
                if ends.insert((end.chain, end.client.clone()), clients.len()).is_some() {
                    let (chain, client) = (chain.chain_id.clone(), end.client.clone());
                    return Err(ConfigError::SharedEnd { chain, client });
                }
                clients.push(ClientView::new(end, other.chain));
            }
        }
        Ok(Self {
            chains: config.chains.into_iter().map(ChainView::new).collect(),
            flows: clients.iter().map(|_| Flow::new()).collect(),
            clients,
            ends,
            patience_ms: config.patience_ms,
            sealer: Sealer::new(config.seed),
            jobs: BTreeMap::new(),
            by_tx: BTreeMap::new(),
            evidence: VecDeque::new(),
            next_ticket: Ticket(0),
            now: Timestamp(0),
            dirty: BTreeSet::new(),
            due: Timestamp(0),
            effects: Vec::new(),
        })
    }

    /// Takes one input at a time and says what to do.
    pub fn step(&mut self, now: Timestamp, input: Input) -> Vec<Effect> {
        self.now = self.now.max(now);
        match input {
            Input::Subscribed { chain, tip } => {
                self.chains[chain.0].subscribed(tip);
                self.mark_chain(chain);
            }
            Input::Final { chain, block } => self.hear(chain, &block),
            Input::Begins { chain, oldest } => self.chains[chain.0].begins(self.now, oldest),
            Input::Disconnected { chain } => self.chains[chain.0].disconnected(self.now),
            Input::ProofReady { ticket, result } => self.proof_ready(ticket, result),
            Input::Submitted { ticket, result } => self.submitted(ticket, result),
            Input::Fired => {}
            Input::Reset => self.reset(),
        }
        if self.now >= self.due {
            // Whatever brought the relay here: a timer that is late must not be the only one to notice.
            self.dirty.extend(0..self.flows.len());
        }
        self.tend_streams();
        self.tend_jobs();
        self.dispatch();
        self.due = self.next_due();
        std::mem::take(&mut self.effects)
    }

    /// When to call [`Self::step`] with [`Input::Fired`], unless something else happens before.
    pub fn deadline(&self) -> Option<Timestamp> {
        (self.due < NEVER).then_some(self.due)
    }

    fn next_due(&self) -> Timestamp {
        let streams = self.chains.iter().map(ChainView::stream_deadline);
        let jobs = self.jobs.values().map(|job| job.check_at);
        let flows = (0..self.flows.len()).flat_map(|flow| self.flow_times(flow));
        let clients = self.clients.iter().flat_map(|client| [client.refresh.retry_at, client.half_time()]);
        let evidence = self.evidence.iter().map(|evidence| evidence.work.retry_at);
        let times = streams.chain(jobs).chain(flows).chain(clients).chain(evidence);
        // What was due by now has been done, or waits for something else than time.
        times.filter(|time| *time > self.now).min().unwrap_or(NEVER)
    }

    fn flow_times(&self, flow: usize) -> impl Iterator<Item = Timestamp> + '_ {
        let target = &self.chains[self.clients[flow ^ 1].host.0];
        let deadline = self.flows[flow].first_deadline();
        let tick = deadline.map(|deadline| deadline.start().max(target.tick_at));
        self.flows[flow].times().chain(tick)
    }

    /// Packets heard of that are not settled.
    pub fn backlog(&self) -> usize {
        self.flows.iter().map(Flow::len).sum()
    }

    /// The next height to be heard of a chain.
    pub fn position(&self, chain: ChainIndex) -> Height {
        self.chains[chain.0].next()
    }

    /// From where a fresh relay would have to read this chain to find all that this one knows is unfinished. Losing it
    /// costs only time.
    pub fn cursor(&self, chain: ChainIndex) -> Height {
        let view = &self.chains[chain.0];
        let mut cursor = view.next();
        for (end, flow) in self.flows.iter().enumerate() {
            let (sent, answered) = flow.oldest();
            let client = &self.clients[end];
            if client.host == chain {
                cursor = cursor.min(sent.unwrap_or(cursor)).min(client.learned_at.max(view.config.from));
            }
            if client.follows == chain {
                // This flow's target; and the header that its client trusts stands here.
                cursor = cursor.min(answered.unwrap_or(cursor));
                cursor = cursor.min(client.newest().unwrap_or(view.config.from));
            }
        }
        cursor.max(Height(1))
    }

    fn source(&self, flow: usize) -> ChainIndex {
        self.clients[flow].host
    }

    fn target(&self, flow: usize) -> ChainIndex {
        self.clients[flow ^ 1].host
    }

    fn mark_chain(&mut self, chain: ChainIndex) {
        let touches = |client: &ClientView| client.host == chain || client.follows == chain;
        let flows = self.clients.iter().enumerate().filter(|(_, client)| touches(client));
        self.dirty.extend(flows.map(|(flow, _)| flow));
    }

    fn ticket(&mut self) -> Ticket {
        self.next_ticket.0 += 1;
        self.next_ticket
    }

    /// Asserts what must hold between steps.
    pub fn check_invariants(&self) {
        self.chains.iter().for_each(ChainView::check_invariants);
        let mut packets = BTreeMap::new();
        let mut calls = BTreeMap::<(usize, Step), usize>::new();
        let mut refreshes = BTreeMap::<usize, usize>::new();
        for (ticket, job) in &self.jobs {
            assert!(*ticket <= self.next_ticket, "tickets come from the counter");
            match &job.task {
                Task::Carry { flow, step, live, .. } => {
                    packets.insert(*ticket, *live);
                    *calls.entry((*flow, *step)).or_default() += 1;
                }
                Task::Refresh { client } => *refreshes.entry(*client).or_default() += 1,
                Task::Accuse { .. } | Task::Tick => {}
            }
            if let Some(sealed) = &job.sealed {
                assert_eq!(
                    self.by_tx.get(&(job.chain, sealed.tx_id)),
                    Some(ticket),
                    "a call is found by its id"
                );
            }
        }
        let sealed = self.jobs.values().filter(|job| job.sealed.is_some()).count();
        assert_eq!(self.by_tx.len(), sealed, "ids of calls that are gone are forgotten");
        for (index, flow) in self.flows.iter().enumerate() {
            flow.check_invariants(&mut packets);
            for step in Step::ALL {
                let jobs = calls.get(&(index, step)).copied().unwrap_or(0);
                assert_eq!(flow.work(step).jobs, jobs, "calls of a step are counted");
                assert!(jobs <= JOBS_PER_STEP_MAX, "calls of a step are bounded");
            }
        }
        assert!(packets.values().all(|left| *left == 0), "a call's live packets are in its flow");
        for (index, client) in self.clients.iter().enumerate() {
            assert_eq!(
                client.refresh.jobs,
                refreshes.get(&index).copied().unwrap_or(0),
                "updates are counted"
            );
        }
        let overslept = self.flows.iter().position(|flow| flow.oversleeps(self.now));
        assert_eq!(overslept, None, "what was due was looked at, whatever the step was about");
        assert!(self.effects.is_empty(), "effects leave with their step");
    }
}
