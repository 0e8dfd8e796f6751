//! A run from beginning to end: lanes are opened, faults come, calm returns, and everything is settled.

use super::{Event, World};
use crate::{
    chain::Chain,
    faults::Faults,
    lies::Lies,
    report::Report,
    rogue,
    setup::{CUSTOMERS, Mistake, Payment},
};
use catenary_invariants::{Violation, packets};
use catenary_types::{Address, Height, UnixSeconds};
use rand::Rng;

/// How long everything may take once the faults are over, in simulated seconds.
const CALM_S: u64 = 120;
/// Pause between two payments, in milliseconds.
const PAYMENT_MS: u64 = 700;

impl World {
    /// Runs to the end: lanes, faults, calm. Gives the report, and what went wrong.
    pub(super) fn run(mut self) -> (Report, Option<Violation>) {
        let (faults, lies) = (self.faults, self.lies);
        (self.faults, self.lies) = (Faults::CALM, Lies::default());
        for node in 0..self.layout.nodes {
            self.create_marks(node);
            self.start(node);
        }
        self.open_lanes();
        (self.faults, self.lies) = (faults, lies);
        self.begin();
        let end = self.now.plus_ms(self.layout.seconds * 1_000);
        while self.now < end && self.witness.violation().is_none() {
            self.happen();
        }
        self.calm_down();
        (self.report, self.witness.violation().cloned())
    }

    fn open_lanes(&mut self) {
        for chain in 0..self.layout.chains {
            let tick = self.setup.tick(chain);
            self.submit(0, chain, tick);
        }
        let nodes = 0..self.layout.nodes;
        self.until("every chain has a block", 30, |world| world.lowest(nodes.clone()) >= Height(1));
        let chains = self.nodes[0].running.iter().flat_map(|running| &running.chains);
        let headers: Vec<_> = chains.filter_map(|chain| chain.final_block(Height(1)).cloned()).collect();
        if headers.len() < self.layout.chains {
            return;
        }
        for chain in 0..self.layout.chains {
            let opening = self.setup.opening(chain, &headers);
            self.submit(0, chain, opening);
        }
        self.until("the lanes are open", 30, |world| world.lowest(nodes.clone()) >= Height(3));
        let receipts = self.nodes[0].running.iter().flat_map(|running| &running.chains);
        let failed = receipts.flat_map(Chain::finals).flat_map(|block| &block.receipts);
        let failed: Vec<_> = failed.filter(|receipt| !receipt.succeeded()).cloned().collect();
        if let Some(receipt) = failed.first() {
            self.witness.fail("the world is set up", format!("{receipt:?}"));
        }
    }

    /// The faults begin.
    fn begin(&mut self) {
        self.report.line(self.now, || "the faults begin".into());
        for node in 0..self.nodes.len() {
            if self.is_liar(node) {
                for chain in 0..self.layout.chains {
                    let key = self.key(chain, node);
                    self.witness.expect_lies(chain, Address::of(&key.public_key()));
                }
                self.set_clock(node, 0);
            }
        }
        for twin in self.layout.nodes..self.nodes.len() {
            self.create_marks(twin);
            self.start(twin);
        }
        self.after(1, Event::Second);
        self.after(1, Event::Pay);
    }

    pub(super) fn pay(&mut self) {
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
        if self.rng.random_bool(0.1) {
            let why = Mistake::ALL[self.rng.random_range(0..Mistake::ALL.len())];
            let refused = self.setup.refused(chain, why, 1_000_000 + self.payments, self.now.seconds());
            self.submit(node, chain, refused);
        }
        if self.rng.random_bool(0.2) {
            let (node, ms) = (self.rng.random_range(0..self.nodes.len()), self.rng.random_range(0..5_000));
            self.after(ms, Event::PayAgain { node, chain, envelope: envelope.clone() });
        }
        self.submit(node, chain, envelope);
    }

    fn until(&mut self, what: &'static str, seconds: u64, holds: impl Fn(&Self) -> bool) {
        let end = self.now.plus_ms(seconds * 1_000);
        while !holds(self) && self.witness.violation().is_none() {
            if self.now > end {
                let standing = |chain: &Chain| chain.standing();
                let nodes = self.nodes.iter().map(|node| {
                    let chains = node.running.iter().flat_map(|running| &running.chains);
                    chains.map(standing).collect::<Vec<_>>()
                });
                let nodes: Vec<_> = nodes.collect();
                let open = self.with_network(|network| packets::all_settled(network).err());
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
        let lies = std::mem::take(&mut self.lies);
        self.faults = Faults { router_twice: self.faults.router_twice, ..Faults::CALM };
        self.blocked.clear();
        self.queue.retain(|_, event| {
            !matches!(event, Event::Pay | Event::Second | Event::Cut(..) | Event::Crash(_))
        });
        for node in 0..self.nodes.len() {
            let is_twin = node >= self.layout.nodes;
            if is_twin || lies.leaves && self.liars.contains(&self.nodes[node].validator) {
                self.stop(node);
                self.nodes[node].retired = true;
            }
            self.set_clock(node, 0);
        }
        (0..self.nodes.len()).for_each(|node| self.start(node));
        self.until("all nodes have all blocks and every packet is settled", CALM_S, Self::is_settled);
        if self.witness.violation().is_some() {
            return;
        }
        let mut witness = std::mem::take(&mut self.witness);
        self.with_network(|network| witness.audit(network));
        self.witness = witness;
        self.report.line(self.now, || "settled".into());
        self.freeze();
    }

    /// Shows a client two headers of one height that everybody signed: it must freeze.
    fn freeze(&mut self) {
        let Some(node) = self.nodes.iter().position(|node| node.running.is_some()) else { return };
        let lane = self.rng.random_range(0..self.setup.lanes.len());
        let [here, there] = self.setup.lanes[lane].clone();
        let Some(running) = &self.nodes[node].running else { return };
        let chains = [here.0, there.0].map(|chain| &running.chains[chain]);
        let validators = 0..self.layout.nodes;
        let number = self.rogue.next_number();
        let Some(call) = rogue::contradiction(chains, &here.1, there.0, validators) else { return };
        let envelope = self.setup.rogue_call(here.0, number, &call, self.now.seconds().0 + 60);
        self.submit(node, here.0, envelope);
        self.report.count("contradiction shown to a client");
        self.until("a client that is shown a contradiction freezes", 20, |world| {
            let running = world.nodes[node].running.as_ref();
            running.is_some_and(|running| rogue::is_frozen(&running.chains[here.0], &here.1))
        });
    }

    fn is_settled(&self) -> bool {
        let stays = |node: &&super::Node| !node.retired;
        let even = (0..self.layout.chains).all(|chain| {
            let heights = self.nodes.iter().filter(stays).map(|node| {
                node.running.as_ref().map_or(Height(0), |running| running.chains[chain].height())
            });
            heights.min() == Some(self.witness.highest(chain))
        });
        let working = |node: &super::Node| {
            node.running.iter().flat_map(|running| &running.chains).any(Chain::is_working)
        };
        even && !self.nodes.iter().any(working)
            && self.with_network(|network| packets::all_settled(network).is_ok()) == Some(true)
    }

    fn with_network<T>(&self, work: impl FnOnce(&packets::Network<'_>) -> T) -> Option<T> {
        let running = self.nodes.iter().find_map(|node| node.running.as_ref())?;
        let chains = running.chains.iter().map(record).collect();
        Some(work(&packets::Network { chains, lanes: self.setup.lanes.clone() }))
    }
}

fn record(chain: &Chain) -> packets::ChainRecord<'_> {
    let blocks = chain.finals().map(|block| packets::BlockRecord {
        height: block.height(),
        time: block.signed.header.time,
        receipts: &block.receipts,
    });
    packets::ChainRecord { blocks: blocks.collect(), state: chain.worker().state() }
}
