//! Nodes, links, disks, customers and routers under one schedule: everything that happens follows from the seed.

mod links;
mod mischief;
mod nodes;
mod phases;
mod routers;
mod shell;

use crate::{
    chain::{Chain, Local, Out},
    disk::Disk,
    faults::Faults,
    lies::Lies,
    report::Report,
    rogue::Rogue,
    router::{Errand, Router},
    setup::{START, Setup, validator_seed},
    witness::Witness,
};
use catenary_consensus::{Mark, Peer};
use catenary_crypto::SigningKey;
use catenary_invariants::Violation;
use catenary_journal::block_log::Identity;
use catenary_mutant::{Mutant, activate};
use catenary_replica::{Input, PeerMessage};
use catenary_types::{Height, Timestamp};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
};

/// How a world is laid out.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Validators of every chain, each on a node of its own.
    pub nodes: usize,
    /// Chains, from two to four.
    pub chains: usize,
    /// How long the faults last, in simulated seconds.
    pub seconds: u64,
    /// How many validators may lie; more than a third, and something must break.
    pub liars: usize,
    /// The defect that the code runs with.
    pub mutant: Option<Mutant>,
}

impl Default for Layout {
    fn default() -> Self {
        Self { nodes: 4, chains: 3, seconds: 60, liars: 1, mutant: None }
    }
}

enum Event {
    /// A message arrives.
    Deliver { from: usize, to: usize, chain: usize, message: Box<PeerMessage> },
    /// Something comes back to a chain.
    Local { node: usize, life: u64, chain: usize, local: Local },
    /// The journal of a node is flushed, or its guard.
    Flushed { node: usize, life: u64, guard: bool },
    /// A block log is flushed.
    LogFlush { node: usize, life: u64, chain: usize },
    /// Something comes back to a router.
    Errand { node: usize, life: u64, errand: Box<Errand> },
    /// A node starts.
    Start(usize),
    /// A node loses power for a moment.
    Crash(usize),
    /// A link works again.
    Heal(BTreeSet<(usize, usize)>),
    /// A link is cut, and heals after so many milliseconds.
    Cut(BTreeSet<(usize, usize)>, u64),
    /// A second begins.
    Second,
    /// A customer pays.
    Pay,
    /// A customer asks another node for what it asked for before.
    PayAgain { node: usize, chain: usize, envelope: Vec<u8> },
}

struct Node {
    /// Whose key it signs with: twins have one.
    validator: usize,
    disk: Disk,
    life: u64,
    /// The node's clock against the world's, in nanoseconds.
    skew: i64,
    /// What waits for the next flush of the journal: marks, each with its chain and number.
    signing: Vec<(usize, Mark, u64)>,
    /// What is being flushed: signatures, each with its chain, and of how many files.
    flushing: Option<(Vec<(usize, u64)>, usize)>,
    running: Option<Running>,
    /// It never starts again.
    retired: bool,
}

struct Running {
    chains: Vec<Chain>,
    router: Option<Router>,
    tickets: u64,
}

/// A world.
pub struct World {
    setup: Setup,
    layout: Layout,
    rng: StdRng,
    faults: Faults,
    lies: Lies,
    /// The node whose disk may lose or change things.
    victim: usize,
    /// Validators that may lie.
    liars: BTreeSet<usize>,
    /// What was said on each chain a while ago.
    said: Vec<VecDeque<PeerMessage>>,
    now: Timestamp,
    queue: BTreeMap<(Timestamp, u64), Event>,
    sequence: u64,
    nodes: Vec<Node>,
    blocked: BTreeSet<(usize, usize)>,
    witness: Witness,
    report: Report,
    payments: u64,
    rogue: Rogue,
}

impl World {
    /// Runs the world of a seed to its end. Gives the report, and what went wrong.
    pub fn outcome(seed: u64, layout: Layout, traced: bool) -> (Report, Option<Violation>) {
        let run = || {
            activate(layout.mutant);
            Self::new(seed, layout, traced).run()
        };
        let ended = catch_unwind(AssertUnwindSafe(run));
        activate(None);
        ended.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
            (Report::default(), Some(Violation::new("no machine panics", text)))
        })
    }

    fn new(seed: u64, layout: Layout, traced: bool) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut liars = BTreeSet::new();
        while liars.len() < layout.liars.min(layout.nodes) {
            liars.insert(rng.random_range(0..layout.nodes));
        }
        let (mut faults, mut lies) = (Faults::draw(&mut rng), Lies::draw(&mut rng));
        if layout.liars > (layout.nodes - 1) / 3 {
            // Enough of them can break the agreement; this is how.
            faults = Faults { partition: 2_000, ..Faults::CALM };
            lies = Lies { twins: true, ..Lies::default() };
        }
        let victim = match liars.first().filter(|_| lies.are_told()) {
            // Who forgets its votes is one of those that the group stands, and so is who lies.
            Some(liar) => *liar,
            None => rng.random_range(0..layout.nodes),
        };
        let weak: BTreeSet<_> = liars.iter().copied().chain([victim]).collect();
        let setup = Setup::new(layout.chains, layout.nodes, &weak);
        let identity = |chain: usize| {
            let hash = setup.genesis[chain].hash();
            Identity::new(setup.chains[chain].as_str(), hash).expect("chain ids are folder names")
        };
        let node = |validator| Node {
            validator,
            disk: Disk::new((0..layout.chains).map(identity).collect()),
            life: 0,
            skew: 0,
            signing: Vec::new(),
            flushing: None,
            running: None,
            retired: false,
        };
        let twins = liars.iter().copied().filter(|_| lies.twins);
        let nodes = (0..layout.nodes).chain(twins).map(node).collect();
        let parameters = setup.genesis.iter().map(|genesis| genesis.parameters.clone());
        Self {
            witness: Witness::new(parameters.collect()),
            rogue: Rogue::default(),
            said: vec![VecDeque::new(); layout.chains],
            victim,
            setup,
            layout,
            rng,
            faults,
            lies,
            liars,
            now: START.start(),
            queue: BTreeMap::new(),
            sequence: 0,
            nodes,
            blocked: BTreeSet::new(),
            report: Report::new(traced),
            payments: 0,
        }
    }

    // The schedule.

    fn after(&mut self, ms: u64, event: Event) {
        let at = self.now.plus_ms(ms);
        self.at(at, event);
    }

    fn at(&mut self, at: Timestamp, event: Event) {
        self.sequence += 1;
        self.queue.insert((at.max(self.now), self.sequence), event);
    }

    fn happen(&mut self) {
        let Some(((at, _), event)) = self.queue.pop_first() else {
            return self.now = self.now.plus_ms(1_000);
        };
        self.now = at;
        self.report.events += 1;
        match event {
            Event::Deliver { from, to, chain, message } => self.deliver(from, to, chain, *message),
            Event::Local { node, life, chain, local } if self.lives(node, life) => {
                self.local(node, chain, local);
            }
            Event::Flushed { node, life, guard } if self.lives(node, life) => self.flushed(node, guard),
            Event::LogFlush { node, life, chain } if self.lives(node, life) => self.log_flush(node, chain),
            Event::Errand { node, life, errand } if self.lives(node, life) => self.errand(node, *errand),
            Event::Local { .. } | Event::Flushed { .. } | Event::LogFlush { .. } | Event::Errand { .. } => {}
            Event::Start(node) => self.start(node),
            Event::Crash(node) => {
                let ms = self.rng.random_range(0..1_000);
                self.crash(node, ms);
            }
            Event::Heal(links) => self.blocked.retain(|link| !links.contains(link)),
            Event::Cut(links, ms) => self.cut(links, ms),
            Event::Second => self.second(),
            Event::Pay => self.pay(),
            Event::PayAgain { node, chain, envelope } => {
                self.report.count("transaction submitted again");
                self.submit(node, chain, envelope);
            }
        }
    }

    fn lives(&self, node: usize, life: u64) -> bool {
        self.nodes[node].life == life && self.nodes[node].running.is_some()
    }

    fn local_time(&self, node: usize) -> Timestamp {
        Timestamp(self.now.0.saturating_add_signed(self.nodes[node].skew))
    }

    // Who is who.

    /// Whether a node's validator may lie, and does in this seed.
    fn is_liar(&self, node: usize) -> bool {
        self.lies.are_told() && self.liars.contains(&self.nodes[node].validator)
    }

    /// How others call a node.
    fn peer(&self, node: usize) -> Peer {
        Peer(self.nodes[node].validator as u64)
    }

    /// The running nodes of other validators.
    fn others(&self, node: usize) -> Vec<usize> {
        let other = |other: &usize| {
            self.nodes[*other].validator != self.nodes[node].validator && self.nodes[*other].running.is_some()
        };
        (0..self.nodes.len()).filter(other).collect()
    }

    /// A node and its twin.
    fn instances(&self, node: usize) -> Vec<usize> {
        let validator = self.nodes[node].validator;
        (0..self.nodes.len()).filter(|other| self.nodes[*other].validator == validator).collect()
    }

    fn key(&self, chain: usize, node: usize) -> SigningKey {
        SigningKey::from_seed(&validator_seed(chain, self.nodes[node].validator))
    }

    // Steps of a chain.

    fn step(&mut self, node: usize, chain: usize, work: impl FnOnce(&mut Chain, Timestamp, &mut Vec<Out>)) {
        let now = self.local_time(node);
        let Some(running) = &mut self.nodes[node].running else { return };
        let mut out = Vec::new();
        work(&mut running.chains[chain], now, &mut out);
        let wake = running.chains[chain].rearm();
        let life = self.nodes[node].life;
        if let Some(deadline) = wake {
            let at = Timestamp(deadline.0.saturating_add_signed(-self.nodes[node].skew));
            self.at(at, Event::Local { node, life, chain, local: Local::Wake });
        }
        for out in out {
            if self.lives(node, life) {
                self.carry_out(node, life, chain, out);
            }
        }
    }

    fn input(&mut self, node: usize, chain: usize, input: Input) {
        self.step(node, chain, |running, now, out| running.input(now, input, out));
    }

    fn submit(&mut self, node: usize, chain: usize, envelope: Vec<u8>) {
        if self.reach(node, catenary_failpoint::Failpoint::SubmissionTaken) {
            return;
        }
        let Some(running) = &mut self.nodes[node].running else { return };
        running.tickets += 1;
        let ticket = running.tickets;
        self.report.count("transaction submitted");
        self.input(node, chain, Input::Submit { ticket, envelopes: vec![envelope] });
    }

    /// The height that every chain has on each of these nodes.
    fn lowest(&self, nodes: std::ops::Range<usize>) -> Height {
        let chains = self.nodes[nodes].iter().map(|node| {
            let chains = node.running.iter().flat_map(|running| &running.chains);
            chains.map(Chain::height).min().unwrap_or_default()
        });
        chains.min().unwrap_or_default()
    }
}
