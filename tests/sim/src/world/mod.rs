//! Nodes, links, disks and customers under one schedule: everything that happens follows from the seed.

mod links;
mod mischief;
mod nodes;
mod routers;

use crate::{
    chain::{Chain, Local, Out},
    disk::Disk,
    faults::{Faults, happens},
    report::Report,
    router::{Errand, Router},
    setup::{CUSTOMERS, Payment, START, Setup, validator_seed},
    witness::{Violation, Witness},
};
use catenary_consensus::Mark;
use catenary_crypto::SigningKey;
use catenary_journal::{block_log::Identity, journal::ChainTag};
use catenary_replica::{Input, PeerMessage};
use catenary_transfer::audit;
use catenary_types::{Address, Height, Message, Timestamp, UnixSeconds};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::collections::{BTreeMap, BTreeSet};

/// How a world is laid out.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Nodes, each with a validator of every chain.
    pub nodes: usize,
    /// Chains, from two to four.
    pub chains: usize,
    /// How long the faults last, in simulated seconds.
    pub seconds: u64,
    /// Whether a validator that lost its votes goes on as if it had signed nothing: a world in which something must go
    /// wrong, to see that it is noticed.
    pub forgetful: bool,
}

impl Default for Layout {
    fn default() -> Self {
        Self { nodes: 4, chains: 3, seconds: 60, forgetful: false }
    }
}

/// How long everything may take once the faults are over, in simulated seconds.
const CALM_S: u64 = 120;
/// Pause between two payments, in milliseconds.
const PAYMENT_MS: u64 = 700;
/// A block log is flushed this long after a block was written.
const LOG_FLUSH_MS: u64 = 500;

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
    /// A link works again.
    Heal(BTreeSet<(usize, usize)>),
    /// A second begins.
    Second,
    /// A customer pays.
    Pay,
}

struct Node {
    disk: Disk,
    life: u64,
    /// The node's clock against the world's, in nanoseconds.
    skew: i64,
    /// What waits for the next flush of the journal: marks, each with its chain and number.
    signing: Vec<(usize, Mark, u64)>,
    /// What is being flushed: signatures, each with its chain, and of how many files.
    flushing: Option<(Vec<(usize, u64)>, usize)>,
    running: Option<Running>,
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
    /// The node whose disk may lose or change things.
    victim: usize,
    /// The node whose messages may be changed on their way: one liar is what a group of four stands.
    liar: usize,
    now: Timestamp,
    queue: BTreeMap<(Timestamp, u64), Event>,
    sequence: u64,
    nodes: Vec<Node>,
    blocked: BTreeSet<(usize, usize)>,
    witness: Witness,
    report: Report,
    payments: u64,
}

impl World {
    /// A world of this seed.
    pub fn new(seed: u64, layout: Layout, traced: bool) -> Self {
        let setup = Setup::new(layout.chains, layout.nodes);
        let mut rng = StdRng::seed_from_u64(seed);
        let identity = |chain: usize| {
            let hash = setup.genesis[chain].hash();
            Identity::new(setup.chains[chain].as_str(), hash).expect("chain ids are folder names")
        };
        let node = |_| Node {
            disk: Disk::new((0..layout.chains).map(identity).collect()),
            life: 0,
            skew: 0,
            signing: Vec::new(),
            flushing: None,
            running: None,
        };
        let nodes = (0..layout.nodes).map(node).collect();
        let [victim, liar] = [(); 2].map(|()| rng.random_range(0..layout.nodes));
        Self {
            setup,
            layout,
            rng,
            faults: Faults::CALM,
            victim,
            liar,
            now: START.start(),
            queue: BTreeMap::new(),
            sequence: 0,
            nodes,
            blocked: BTreeSet::new(),
            witness: Witness::default(),
            report: Report::new(traced),
            payments: 0,
        }
    }

    /// Runs to the end: lanes, faults, calm. Gives the report, and what went wrong.
    pub fn run(mut self) -> (Report, Option<Violation>) {
        for node in 0..self.layout.nodes {
            self.create_marks(node);
            self.start(node);
        }
        self.open_lanes();
        self.faults = Faults::draw(&mut self.rng);
        if self.faults.contradicted > 0 {
            for chain in 0..self.layout.chains {
                let key = SigningKey::from_seed(&validator_seed(chain, self.liar));
                self.witness.expect_lies(Address::of(&key.public_key()));
            }
        }
        if self.layout.forgetful {
            self.faults = Faults { crash: 4_000, damage: 10_000, delay_ms: 60, flush_ms: 20, ..self.faults };
        }
        self.report.line(self.now, || "the faults begin".into());
        let end = self.now.plus_ms(self.layout.seconds * 1_000);
        self.after(1, Event::Second);
        self.after(1, Event::Pay);
        while self.now < end && self.witness.violation().is_none() {
            self.happen();
        }
        self.calm_down();
        (self.report, self.witness.violation().cloned())
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
            Event::Local { node, life, chain, local } => {
                if self.lives(node, life) {
                    self.step(node, chain, |running, now, out| running.local(now, local, out));
                }
            }
            Event::Flushed { node, life, guard } if self.lives(node, life) => self.flushed(node, guard),
            Event::LogFlush { node, life, chain } if self.lives(node, life) => {
                let flushed = Height(self.nodes[node].disk.flush_log(chain));
                if let Some(running) = &mut self.nodes[node].running {
                    running.chains[chain].trim(flushed);
                }
            }
            Event::Flushed { .. } | Event::LogFlush { .. } => {}
            Event::Errand { node, life, errand } => {
                if self.lives(node, life) {
                    self.errand(node, *errand);
                }
            }
            Event::Start(node) => self.start(node),
            Event::Heal(links) => self.blocked.retain(|link| !links.contains(link)),
            Event::Second => self.second(),
            Event::Pay => self.pay(),
        }
    }

    fn lives(&self, node: usize, life: u64) -> bool {
        self.nodes[node].life == life && self.nodes[node].running.is_some()
    }

    fn local_time(&self, node: usize) -> Timestamp {
        Timestamp(self.now.0.saturating_add_signed(self.nodes[node].skew))
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
            self.carry_out(node, life, chain, out);
        }
    }

    fn carry_out(&mut self, node: usize, life: u64, chain: usize, out: Out) {
        match out {
            Out::Send(to, message) => self.send(node, chain, to, &message),
            Out::Append(records) => self.nodes[node].disk.append(records),
            Out::Sign(mark, number) => {
                self.nodes[node].signing.push((chain, mark, number));
                self.flush(node);
            }
            Out::Later(local) => {
                let ms = self.rng.random_range(0..=1);
                self.after(ms, Event::Local { node, life, chain, local });
            }
            Out::Final(executed) => {
                self.witness.executed(node, chain, &executed);
                self.report.blocks += 1;
                let events = executed.receipts.iter().flat_map(|receipt| &receipt.events);
                let reports = events.filter(|event| event.kind == "equivocation_reported").count();
                self.report.count_many("double vote reported on chain", reports as u64);
                let height = executed.tip.height;
                self.report.line(self.now, || {
                    let hash = executed.block.header.hash();
                    format!(
                        "node {node} chain {chain} height {height} {hash}, {} receipts",
                        executed.receipts.len()
                    )
                });
                let (block, certificate) = (executed.block.encode(), executed.certificate().encode());
                self.nodes[node].disk.log(chain, &block, &certificate);
                self.after(LOG_FLUSH_MS, Event::LogFlush { node, life, chain });
                self.pump(node, chain);
            }
            Out::Reply(ticket, outcomes) => self.reply(node, ticket, outcomes),
            Out::Notice(what) => self.report.count(what),
            Out::Broken(reason) => {
                self.witness.fail("no honest replica stops", format!("node {node}, chain {chain}: {reason}"));
            }
        }
    }

    fn flush_ms(&mut self) -> u64 {
        let ms = self.rng.random_range(1..=self.faults.flush_ms.max(1));
        if happens(&mut self.rng, self.faults.slow_disk) {
            self.report.count("slow flush");
            return ms * 50;
        }
        ms
    }

    /// Writes journal and guard and has both flushed at once, unless that is under way: then what is queued comes next.
    fn flush(&mut self, node: usize) {
        let Node { disk, signing, flushing, life, .. } = &mut self.nodes[node];
        if flushing.is_some() || signing.is_empty() {
            return;
        }
        let mut signed = Vec::new();
        for (chain, mark, number) in std::mem::take(signing) {
            disk.raise(ChainTag::of(self.setup.chains[chain].as_str()), mark.encode());
            signed.push((chain, number));
        }
        disk.write_batch();
        *flushing = Some((signed, 2));
        let life = *life;
        for guard in [false, true] {
            let ms = self.flush_ms();
            self.after(ms, Event::Flushed { node, life, guard });
        }
    }

    fn flushed(&mut self, node: usize, guard: bool) {
        let Node { disk, flushing, .. } = &mut self.nodes[node];
        if guard {
            disk.flush_guard()
        } else {
            disk.flush_journal()
        }
        let Some((signed, files)) = flushing.take() else { return };
        if files > 1 {
            *flushing = Some((signed, files - 1));
            return;
        }
        for (chain, number) in signed {
            self.step(node, chain, |running, now, out| running.local(now, Local::Durable(number), out));
        }
        self.flush(node);
    }

    // Customers.

    fn pay(&mut self) {
        self.after(PAYMENT_MS, Event::Pay);
        let lane = self.rng.random_range(0..self.setup.lanes.len());
        let from = self.setup.lanes[lane][self.rng.random_range(0..2)].clone();
        self.payments += 1;
        let payment = Payment {
            customer: self.rng.random_range(0..CUSTOMERS),
            receiver: self.rng.random_range(0..CUSTOMERS),
            amount: self.rng.random_range(1..1_000),
            timeout: UnixSeconds(self.now.seconds().0 + self.rng.random_range(2..40)),
            number: 100 + self.payments,
            from,
        };
        let (chain, envelope) = (payment.from.0, self.setup.payment(&payment));
        let node = self.rng.random_range(0..self.nodes.len());
        self.submit(node, chain, envelope);
    }

    fn submit(&mut self, node: usize, chain: usize, envelope: Vec<u8>) {
        let Some(running) = &mut self.nodes[node].running else { return };
        running.tickets += 1;
        let ticket = running.tickets;
        self.report.count("transaction submitted");
        self.step(node, chain, |running, now, out| {
            running.input(now, Input::Submit { ticket, envelopes: vec![envelope] }, out);
        });
    }

    // Beginning and end.

    /// Gives the chains their clients of each other.
    fn open_lanes(&mut self) {
        for chain in 0..self.layout.chains {
            let tick = self.setup.tick(chain);
            self.submit(0, chain, tick);
        }
        self.until("every chain has a block", 30, |world| world.lowest() >= Height(1));
        let chains = self.nodes[0].running.iter().flat_map(|running| &running.chains);
        let headers: Vec<_> = chains.filter_map(|chain| chain.final_block(Height(1)).cloned()).collect();
        for chain in 0..self.layout.chains {
            let opening = self.setup.opening(chain, &headers);
            self.submit(0, chain, opening);
        }
        self.until("the lanes are open", 30, |world| world.lowest() >= Height(3));
        let receipts = self.nodes[0].running.iter().flat_map(|running| &running.chains);
        let failed = receipts.flat_map(Chain::finals).flat_map(|block| &block.receipts);
        let failed: Vec<_> = failed.filter(|receipt| !receipt.succeeded()).cloned().collect();
        if let Some(receipt) = failed.first() {
            self.witness.fail("the world is set up", format!("{receipt:?}"));
        }
    }

    /// The height that every chain has on every node.
    fn lowest(&self) -> Height {
        let chains = self.nodes.iter().map(|node| {
            let chains = node.running.iter().flat_map(|running| &running.chains);
            chains.map(Chain::height).min().unwrap_or_default()
        });
        chains.min().unwrap_or_default()
    }

    fn until(&mut self, what: &'static str, seconds: u64, holds: impl Fn(&Self) -> bool) {
        let end = self.now.plus_ms(seconds * 1_000);
        while !holds(self) && self.witness.violation().is_none() {
            if self.now > end {
                let heights = |node: &Node| {
                    let chains = node.running.iter().flat_map(|running| &running.chains);
                    chains.map(Chain::standing).collect::<Vec<_>>()
                };
                let nodes: Vec<_> = self.nodes.iter().map(heights).collect();
                let open = self.with_network(|network| audit::all_settled(network).err());
                let detail = format!("{what}: not after {seconds} s; {open:?}; {nodes:#?}");
                return self.witness.fail("liveness", detail);
            }
            // Looking at everything costs more than an event.
            (0..64).for_each(|_| self.happen());
        }
    }

    /// Ends all faults and waits until everything is settled.
    fn calm_down(&mut self) {
        if self.witness.violation().is_some() {
            return;
        }
        self.report.line(self.now, || "the faults are over".into());
        self.faults = Faults::CALM;
        self.blocked.clear();
        self.queue.retain(|_, event| !matches!(event, Event::Pay | Event::Second));
        for node in 0..self.nodes.len() {
            self.nodes[node].skew = 0;
            self.start(node);
        }
        self.until("all nodes have all blocks and every packet is settled", CALM_S, Self::is_settled);
        if self.witness.violation().is_some() {
            return;
        }
        let mut witness = std::mem::take(&mut self.witness);
        self.with_network(|network| witness.audit(network));
        self.witness = witness;
        self.report.line(self.now, || "settled".into());
    }

    fn is_settled(&self) -> bool {
        let even = (0..self.layout.chains).all(|chain| {
            let heights = self.nodes.iter().map(|node| {
                node.running.as_ref().map_or(Height(0), |running| running.chains[chain].height())
            });
            heights.min() == Some(self.witness.highest(chain))
        });
        let working =
            |node: &Node| node.running.iter().flat_map(|running| &running.chains).any(Chain::is_working);
        even && !self.nodes.iter().any(working)
            && self.with_network(|network| audit::all_settled(network).is_ok()) == Some(true)
    }

    fn with_network<T>(&self, work: impl FnOnce(&audit::Network<'_>) -> T) -> Option<T> {
        let running = self.nodes[0].running.as_ref()?;
        let chains = running.chains.iter().map(record).collect();
        Some(work(&audit::Network { chains, lanes: self.setup.lanes.clone() }))
    }
}

fn record(chain: &Chain) -> audit::ChainRecord<'_> {
    let blocks = chain.finals().map(|block| audit::BlockRecord {
        height: block.height(),
        time: block.signed.header.time,
        receipts: &block.receipts,
    });
    audit::ChainRecord { blocks: blocks.collect(), state: chain.worker().state() }
}
