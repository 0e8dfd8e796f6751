//! One node: its actors among the local tasks of their own, the turns of its workers, its folder.

use crate::world::{Defect, World};
use catenary_platform::{Platform, Turns};
use catenary_runtime::{ChainDefinition, Router};
use catenary_sim::{router, setup};
use catenary_store::{DataDir, index::Engine};
use catenary_system::{Node, NodeConfig, SnapshotPolicy};
use catenary_types::Timestamp;
use rand::{Rng, rngs::StdRng, seq::SliceRandom};
use std::{collections::BTreeMap, fs, rc::Rc, sync::Arc, time::Duration};
use tokio::{
    sync::Notify,
    task::{JoinHandle, LocalSet, spawn_local},
    time::{Instant, sleep},
};

/// Nodes with a router.
pub const ROUTERS: usize = 2;
/// A worker that nobody can send to any more ends in one of so many turns.
const LAST_TURNS: usize = 16;
/// After each of them, whoever still had a question has noticed how it ended.
const NOTICED: Duration = Duration::from_millis(2);

/// A place for a node.
#[derive(Default)]
pub struct Place {
    /// How often a node was started here.
    pub life: u64,
    /// Whether a node begins or ends here: one at a time.
    pub is_changing: bool,
    /// The node, if it runs.
    pub running: Option<Running>,
}

/// A node that runs.
pub struct Running {
    /// The product's own.
    pub node: Node,
    turns: Arc<Turns>,
    /// What an arbiter is elsewhere: everything that its actors are.
    actors: Rc<LocalSet>,
    driver: JoinHandle<()>,
    router: Option<Router>,
    /// Tells whoever waits for an answer that there will be none.
    pub killed: Rc<Notify>,
}

impl World {
    /// Starts a node on its folder, and links it with all that run.
    pub async fn start(self: &Rc<Self>, number: usize) {
        let life = {
            let place = &mut self.places.borrow_mut()[number];
            if place.running.is_some() || std::mem::replace(&mut place.is_changing, true) {
                return;
            }
            place.life += 1;
            place.life
        };
        self.begin(number, life).await;
        self.places.borrow_mut()[number].is_changing = false;
    }

    async fn begin(self: &Rc<Self>, number: usize, life: u64) {
        let turns = self.turns();
        let actors = Rc::new(LocalSet::new());
        let opened = {
            let _inside = actors.enter();
            Node::open(self.configuration(number, life, &turns))
        };
        let (node, mut notices) = match opened {
            Ok(opened) => opened,
            Err(error) => return self.fail("a node opens", format!("node {number}: {error}")),
        };
        let work = drive(self.clone(), self.fork(), turns.clone());
        let driver = spawn_local({
            let actors = actors.clone();
            async move { actors.run_until(work).await }
        });
        notices.extend(self.within("a node starts", node.start()).await.unwrap_or_default());
        let down = node.down().borrow().clone();
        if !down.is_empty() {
            self.fail("every chain starts", format!("node {number}: {down:?}"));
        }
        self.say("node started", || format!("node {number}, life {life}: {notices:?}"));
        self.places.borrow_mut()[number].running =
            Some(Running { node, turns, actors, driver, router: None, killed: Rc::default() });
        if number < ROUTERS {
            self.replace_router(number);
        }
        (0..self.nodes()).filter(|other| *other != number).for_each(|other| self.connect(number, other));
    }

    /// Stops a node as an operator does.
    pub async fn stop(self: &Rc<Self>, number: usize) {
        let Some(running) = self.take(number) else { return };
        let Running { node, turns, actors, driver, router, .. } = running;
        self.say("node stopped", || format!("node {number}"));
        self.count_many("frame dropped for a full queue", node.stats().messages_dropped);
        drop(router);
        self.within("a node stops", node.stop()).await;
        if self.layout.defect == Some(Defect::ActorsStay) {
            std::mem::forget(actors.clone());
        }
        end(driver, actors).await;
        self.expect_nothing_left(number, turns).await;
        self.places.borrow_mut()[number].is_changing = false;
    }

    /// Ends a node as the system ends a process.
    pub async fn kill(self: &Rc<Self>, number: usize) {
        let Some(running) = self.take(number) else { return };
        let Running { node, turns, actors, driver, router, killed } = running;
        self.say("node killed", || format!("node {number}"));
        turns.kill();
        killed.notify_waiters();
        end(driver, actors).await;
        drop((router, node));
        self.expect_nothing_left(number, turns).await;
        if self.layout.defect == Some(Defect::VotesForgotten) {
            let folder = self.folder(number);
            // What is not there cannot be removed.
            let _ = (fs::remove_file(folder.join("guard")), fs::remove_dir_all(folder.join("journal")));
            self.said.borrow_mut().forget(number);
        }
        self.places.borrow_mut()[number].is_changing = false;
    }

    /// A node that is to end.
    fn take(&self, number: usize) -> Option<Running> {
        let place = &mut self.places.borrow_mut()[number];
        let running = place.running.take()?;
        place.is_changing = true;
        Some(running)
    }

    /// Ends the router of a node, and starts one that knows nothing.
    pub fn replace_router(&self, number: usize) {
        let life = self.draw(Rng::random);
        let config = router::config(&self.setup, number, life);
        let replaced = self.with_node(number, |running| {
            let _inside = running.actors.enter();
            let chains = running.node.clients();
            running.router = None;
            running.router = Router::start(running.node.home(number), config, chains).ok();
            running.router.is_some()
        });
        match replaced {
            Some(true) => self.say("router started", || format!("node {number}")),
            Some(false) => self.fail("a router starts", format!("node {number}")),
            None => {}
        }
    }

    fn turns(&self) -> Arc<Turns> {
        let began = self.began;
        let skew = self.draw(|rng| rng.random_range(0..50_000_000));
        let clock = move || {
            let passed = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
            Timestamp(setup::START.start().0 + skew + passed)
        };
        Turns::new(clock, self.shared_folder())
    }

    fn configuration(&self, number: usize, life: u64, turns: &Arc<Turns>) -> NodeConfig {
        let is_new = life == 1 || self.layout.defect == Some(Defect::VotesForgotten);
        let definition = |chain: usize| ChainDefinition {
            genesis: self.setup.genesis[chain].clone(),
            chain_id: self.setup.chains[chain].clone(),
            ledger: self.setup.ledger.clone(),
            validator_seed: Some(setup::validator_seed(chain, number)),
            reporter: Some(setup::reporter()),
            is_new,
        };
        NodeConfig {
            snapshots: SnapshotPolicy { every_blocks: 40, keep: 2, begin: true },
            data: DataDir::open(self.folder(number)).expect("the last life was seen to have left it"),
            chains: (0..self.chains()).map(definition).collect(),
            engine: Engine::default(),
            platform: Platform::Simulated(turns.clone()),
            capacities: self.capacities,
            executors: 2,
            arbiters: 0,
        }
    }

    /// A node that ended has no worker, no handle and no lock on its folder.
    async fn expect_nothing_left(self: &Rc<Self>, number: usize, turns: Arc<Turns>) {
        for _ in 0..LAST_TURNS {
            turns.workers().iter().for_each(|(worker, _)| turns.give(*worker));
            sleep(NOTICED).await;
        }
        let (workers, handles) = (turns.workers(), Arc::strong_count(&turns) - 1);
        if !workers.is_empty() || handles > 0 {
            let detail = format!("node {number}: {workers:?}, {handles} handles");
            self.fail("nothing is left of a node that ended", detail);
        }
        if let Err(error) = DataDir::open(self.folder(number)) {
            self.fail("the folder of a node that ended is free", format!("node {number}: {error}"));
        }
        self.expect_said_is_on_disk(number);
        turns.kill();
    }
}

/// Drops all actors of a node.
async fn end(driver: JoinHandle<()>, actors: Rc<LocalSet>) {
    driver.abort();
    // It was aborted.
    let _ = driver.await;
    drop(actors);
}

/// Gives the workers of a node their turns.
async fn drive(world: Rc<World>, mut rng: StdRng, turns: Arc<Turns>) {
    let mut resting = BTreeMap::new();
    loop {
        let faults = world.faults.get();
        sleep(Duration::from_millis(rng.random_range(1..=faults.turn_ms))).await;
        let mut workers = turns.workers();
        workers.shuffle(&mut rng);
        for (worker, _) in workers {
            let rests = resting.get(&worker).is_some_and(|until| Instant::now() < *until);
            if rests || rng.random_bool(0.3) {
                continue;
            }
            if rng.random_range(0..10_000) < faults.rests {
                let rest = Duration::from_millis(rng.random_range(0..=faults.rest_ms));
                resting.insert(worker, Instant::now() + rest);
            }
            turns.give(worker);
        }
    }
}
