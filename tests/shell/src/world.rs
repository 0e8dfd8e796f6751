//! The world from its beginning to its end: lanes, faults, calm, and the last node that stops.

use crate::{
    faults::{self, Faults},
    links::{Direction, Links},
    node::{Place, Running},
    observer::Seen,
    votes::Said,
};
use catenary_crypto::cheap;
use catenary_links::Frame;
use catenary_runtime::{Capacities, ChainMailbox};
use catenary_sim::{
    Report, Violation,
    setup::{START, Setup},
    witness::Witness,
};
use catenary_types::{Height, Timestamp, UnixSeconds};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    rc::Rc,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    runtime::Builder,
    task::{LocalSet, spawn_local},
    time::{Instant, sleep, timeout},
};

/// How a world is laid out.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Nodes, each with a validator of every chain.
    pub nodes: usize,
    /// Chains, from two to four.
    pub chains: usize,
    /// How long the faults last, in simulated seconds.
    pub seconds: u64,
    /// Whether the trace is printed.
    pub traced: bool,
    /// What is wrong on purpose, to see that it is noticed.
    pub defect: Option<Defect>,
}

impl Default for Layout {
    fn default() -> Self {
        Self { nodes: 4, chains: 2, seconds: 20, traced: false, defect: None }
    }
}

/// Something in which the world must go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// A node that was killed loses what it signed, and its operator says that the keys are new.
    VotesForgotten,
    /// The actors of a node that is stopped live on.
    ActorsStay,
}

/// How long everything may take once the faults are over, in simulated seconds.
const CALM_S: u64 = 120;
/// Longest that any answer takes. It is long, since a question to a chain that waits for its disk waits with it.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often something is looked at that nobody announces.
const POLL: Duration = Duration::from_millis(250);
/// What a chain sent before it was stopped has left its node by then.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A world. Its tasks share it.
pub struct World {
    pub(crate) setup: Setup,
    pub(crate) layout: Layout,
    pub(crate) began: Instant,
    pub(crate) capacities: Capacities,
    pub(crate) faults: Cell<Faults>,
    pub(crate) places: RefCell<Vec<Place>>,
    pub(crate) links: RefCell<Links>,
    pub(crate) seen: RefCell<Seen>,
    pub(crate) said: RefCell<Said>,
    rng: RefCell<StdRng>,
    witness: RefCell<Witness>,
    report: RefCell<Report>,
    calm: Cell<bool>,
    payments: Cell<u64>,
    /// Chains that an operator stopped, of which node, in which life, and when.
    halted: RefCell<BTreeMap<(usize, usize), (u64, Instant)>>,
    folder: TempDir,
}

/// Runs the world of a seed. Gives the report, and what went wrong.
pub fn run(seed: u64, layout: Layout) -> (Report, Option<Violation>) {
    cheap::replace_signatures();
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without threads");
    LocalSet::new().block_on(&runtime, async {
        let world = Rc::new(World::new(seed, layout));
        world.run().await;
        let violation = world.witness.borrow().violation().cloned();
        (world.report.borrow().clone(), violation)
    })
}

impl World {
    fn new(seed: u64, layout: Layout) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let setup = Setup::new(layout.chains, layout.nodes, &BTreeSet::new());
        let parameters = setup.genesis.iter().map(|genesis| genesis.parameters.clone());
        Self {
            capacities: faults::capacities(&mut rng),
            witness: RefCell::new(Witness::new(parameters.collect())),
            setup,
            layout,
            began: Instant::now(),
            faults: Cell::new(Faults::CALM),
            places: RefCell::new((0..layout.nodes).map(|_| Place::default()).collect()),
            links: RefCell::default(),
            seen: RefCell::default(),
            said: RefCell::default(),
            rng: RefCell::new(rng),
            report: RefCell::new(Report::new(layout.traced)),
            calm: Cell::new(false),
            payments: Cell::new(0),
            halted: RefCell::default(),
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    async fn run(self: &Rc<Self>) {
        for node in 0..self.nodes() {
            self.start(node).await;
        }
        spawn_local(self.clone().observe());
        self.open_lanes().await;
        let faults = self.draw(Faults::draw);
        self.faults.set(faults);
        self.say("faults begin", || format!("{faults:?}, {:?}", self.capacities));
        spawn_local(self.clone().pay());
        self.go_wrong(self.layout.seconds).await;
        self.calm_down().await;
        for node in 0..self.nodes() {
            self.stop(node).await;
        }
    }

    /// Gives the chains their clients of each other.
    async fn open_lanes(self: &Rc<Self>) {
        for chain in 0..self.chains() {
            self.submit_first(chain, self.setup.tick(chain)).await;
        }
        self.until("every chain has a block", 30, async || {
            (self.lowest() < Height(1)).then(|| "not yet".to_owned())
        })
        .await;
        let Some(headers) = self.first_blocks() else { return };
        for chain in 0..self.chains() {
            self.submit_first(chain, self.setup.opening(chain, &headers)).await;
        }
        self.until("the lanes are open", 30, async || {
            (self.lowest() < Height(3)).then(|| "not yet".to_owned())
        })
        .await;
    }

    async fn submit_first(&self, chain: usize, envelope: Vec<u8>) {
        if let Some(mailbox) = self.mailbox(0, chain) {
            let outcome = self.submit(0, &mailbox, envelope).await;
            self.say("opened", || format!("chain {chain}: {outcome:?}"));
        }
    }

    /// Ends all faults and waits until everything is settled.
    async fn calm_down(self: &Rc<Self>) {
        self.say("faults over", String::new);
        self.faults.set(Faults::CALM);
        self.calm.set(true);
        self.links.borrow_mut().heal();
        for node in 0..self.nodes() {
            self.start(node).await;
            self.revive(node).await;
        }
        self.until("everything is settled", CALM_S, async || {
            for node in 0..self.nodes() {
                self.revive(node).await;
            }
            self.unsettled().await
        })
        .await;
        self.audit().await;
    }

    /// Starts the chains of a node that are down.
    async fn revive(&self, node: usize) {
        for chain in 0..self.chains() {
            let supervisor = self.with_node(node, |running| {
                let id = &self.setup.chains[chain];
                running.node.down().borrow().contains_key(id).then(|| running.node.supervisor().clone())
            });
            if let Some(Some(supervisor)) = supervisor {
                let started = self
                    .answer(node, "a chain starts again", supervisor.start(&self.setup.chains[chain]))
                    .await;
                self.say("chain revived", || format!("node {node} chain {chain}: {started:?}"));
            }
        }
    }

    /// An operator stops a chain and starts it again. Meanwhile it says nothing.
    pub(crate) async fn halt(&self, node: usize, chain: usize, off: Duration) {
        let supervisor = || self.with_node(node, |running| running.node.supervisor().clone());
        if self.halted.borrow().contains_key(&(node, chain)) {
            return;
        }
        let Some(stopping) = supervisor() else { return };
        let life = self.life(node);
        let stopped = self
            .answer(
                node,
                "a chain stops",
                stopping.stop(&self.setup.chains[chain], "for the operator's reasons"),
            )
            .await;
        drop(stopping);
        self.say("chain halted", || format!("node {node} chain {chain}: {stopped:?}"));
        self.halted.borrow_mut().insert((node, chain), (life, Instant::now()));
        sleep(off).await;
        self.halted.borrow_mut().remove(&(node, chain));
        if let Some(starting) = supervisor().filter(|_| self.life(node) == life) {
            let started =
                self.answer(node, "a chain starts again", starting.start(&self.setup.chains[chain])).await;
            self.say("chain started", || format!("node {node} chain {chain}: {started:?}"));
        }
    }

    async fn until(&self, what: &'static str, seconds: u64, open: impl AsyncFn() -> Option<String>) {
        let end = Instant::now() + Duration::from_secs(seconds);
        while !self.has_failed() {
            let Some(still) = open().await else { return };
            if Instant::now() > end {
                return self.fail(what, format!("not after {seconds} s: {still}"));
            }
            sleep(POLL).await;
        }
    }

    /// An answer of a node, which must come in time unless the node is killed.
    pub(crate) async fn answer<T>(
        &self,
        node: usize,
        what: &'static str,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        let killed = self.with_node(node, |running| running.killed.clone())?;
        tokio::select! {
            biased;
            answer = self.within(what, future) => answer,
            () = killed.notified() => None,
        }
    }

    /// What must come in time.
    pub(crate) async fn within<T>(&self, what: &'static str, future: impl Future<Output = T>) -> Option<T> {
        let come = timeout(PATIENCE, future).await.ok();
        if come.is_none() {
            self.fail(what, format!("not within {} s", PATIENCE.as_secs()));
        }
        come
    }
}

/// What tasks ask of their world.
impl World {
    pub(crate) fn nodes(&self) -> usize {
        self.layout.nodes
    }

    pub(crate) fn chains(&self) -> usize {
        self.layout.chains
    }

    /// What all nodes of the world find, as processes of one user do.
    pub(crate) fn shared_folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub(crate) fn folder(&self, node: usize) -> PathBuf {
        self.folder.path().join(format!("node-{node}"))
    }

    pub(crate) fn with_node<T>(&self, node: usize, with: impl FnOnce(&mut Running) -> T) -> Option<T> {
        self.places.borrow_mut()[node].running.as_mut().map(with)
    }

    pub(crate) fn mailbox(&self, node: usize, chain: usize) -> Option<ChainMailbox> {
        self.with_node(node, |running| running.node.chains()[chain].clone())
    }

    pub(crate) fn life(&self, node: usize) -> u64 {
        self.places.borrow()[node].life
    }

    pub(crate) fn draw<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        draw(&mut self.rng.borrow_mut())
    }

    /// A source of its own for a task.
    pub(crate) fn fork(&self) -> StdRng {
        StdRng::seed_from_u64(self.draw(Rng::random))
    }

    pub(crate) fn next_payment(&self) -> u64 {
        self.payments.set(self.payments.get() + 1);
        self.payments.get()
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.calm.get() || self.has_failed()
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    pub(crate) fn unix_seconds(&self) -> UnixSeconds {
        UnixSeconds(START.0 + self.elapsed().as_secs())
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.witness.borrow().violation().is_some()
    }

    pub(crate) fn witness<T>(&self, see: impl FnOnce(&mut Witness) -> T) -> T {
        see(&mut self.witness.borrow_mut())
    }

    pub(crate) fn fail(&self, invariant: &'static str, detail: String) {
        self.say("violation", || format!("{invariant}: {detail}"));
        self.witness.borrow_mut().fail(invariant, detail);
    }

    pub(crate) fn count(&self, what: &'static str) {
        self.report.borrow_mut().count(what);
    }

    pub(crate) fn count_many(&self, what: &'static str, times: u64) {
        self.report.borrow_mut().count_many(what, times);
    }

    /// A line of the trace, which is counted too.
    pub(crate) fn say(&self, what: &'static str, detail: impl FnOnce() -> String) {
        let now = Timestamp(START.start().0 + u64::try_from(self.elapsed().as_nanos()).unwrap_or(u64::MAX));
        let mut report = self.report.borrow_mut();
        report.count(what);
        report.line(now, || format!("{what}: {}", detail()));
    }

    /// A frame leaves a node.
    pub(crate) fn sees(&self, (from, to): Direction, frame: &Frame) {
        let Some(chain) = self.setup.chains.iter().position(|id| *id == frame.chain) else { return };
        self.report.borrow_mut().messages += 1;
        self.witness.borrow_mut().sent(chain, &frame.message);
        self.hears(from, chain, &frame.message);
        let lane = frame.message.lane();
        self.say("frame", || format!("{from} to {to}, chain {chain}, {lane:?}"));
        let halted = self.halted.borrow().get(&(from, chain)).copied();
        let halted = halted.filter(|(life, _)| *life == self.life(from));
        if halted.is_some_and(|(_, since)| since.elapsed() > LAST_WORDS) {
            self.fail("a chain that is stopped is silent", format!("node {from} chain {chain}, {lane:?}"));
        }
    }
}
