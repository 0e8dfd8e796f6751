//! `catenary demo`: settles payment orders across fourteen chains and reconciles every account.

mod apart;
mod evidence;
mod payments;
mod reconcile;
mod report;
mod rough;
mod tracker;

pub use report::Report;

use crate::{
    cluster::{Cluster, ClusterConfig},
    network::{self, Bank, Holder, TRUSTING_PERIOD_S},
    node::tell_what_is_down,
    processes::Processes,
    serve::Server,
    setup,
};
use anyhow::{Context as _, Result, anyhow, bail};
use catenary_links::{ChainClient, Directory};
use catenary_orders::{BANKS, Orders};
use catenary_relay::{ChainConfig, ChainIndex, LaneConfig, LaneEnd, RelayConfig};
use catenary_runtime::Router;
use catenary_system::Node;
use catenary_types::{AccountNumber, Genesis, Height};
use payments::{Payments, Plan};
use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

/// How the router reaches the chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Links {
    /// Mailboxes of this process.
    Mailbox,
    /// gRPC over loopback.
    Grpc,
}

/// Nodes that fall silent when the payments begin.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silence {
    /// How many; never the one that clients and routers use.
    pub nodes: usize,
    /// For how long; for ever if there is none.
    pub duration: Option<Duration>,
}

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// The orders, with what was refused of them.
    pub orders: Orders,
    /// How often the month is repeated.
    pub months: u32,
    /// Creditors that are frozen before the first order.
    pub freeze: Vec<(Bank, AccountNumber)>,
    /// The nodes.
    pub cluster: ClusterConfig,
    /// Whether each is a process of its own.
    pub processes: bool,
    /// How the router reaches the chains.
    pub links: Links,
    /// Which nodes fall silent.
    pub silence: Silence,
    /// The seed of what real life adds, if it is asked for.
    pub rough: Option<u64>,
    /// Where to write evidence.
    pub evidence: Option<PathBuf>,
    /// Whether to show progress.
    pub progress: bool,
}

/// The nodes of a network.
pub enum Nodes {
    /// In this process.
    Here(Cluster),
    /// Each in a process of its own.
    Apart(Processes),
}

impl Nodes {
    /// The nodes of this process, to do things to that only they can bear.
    pub fn here(&self) -> Result<&Cluster> {
        match self {
            Self::Here(cluster) => Ok(cluster),
            Self::Apart(_) => bail!("this needs nodes of this process"),
        }
    }

    /// The chains' genesis documents.
    pub fn genesis(&self) -> &[Genesis] {
        match self {
            Self::Here(cluster) => cluster.genesis(),
            Self::Apart(processes) => processes.genesis(),
        }
    }

    /// Does something that needs every chain, and fails as soon as one is down that nobody stopped.
    async fn while_all_run<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        match self {
            Self::Here(cluster) => while_all_run(cluster.front(), work).await,
            Self::Apart(processes) => tokio::select! {
                biased;
                failed = processes.failure() => Err(failed.err().unwrap_or_else(|| anyhow!("a process ended"))),
                result = work => result,
            },
        }
    }
}

/// A network that runs.
pub struct Network {
    /// The nodes.
    pub nodes: Nodes,
    /// The chains, as clients reach them.
    pub chains: Vec<Arc<dyn ChainClient>>,
    /// Height of the home chain when the node opened its folder, before any router ran.
    pub resumed_at: Height,
    /// The gRPC front door, if it is open.
    pub server: Option<Server>,
    _routers: Vec<Router>,
}

impl Network {
    /// Opens the folder, starts all chains, connects them by lanes and starts the routers. A chain that does not start is
    /// left to the caller, who finds it in [`Node::down`]; new lanes wait for it.
    pub async fn start(
        cluster: &ClusterConfig,
        links: Links,
        routers: usize,
        listen: Option<SocketAddr>,
    ) -> Result<Self> {
        let cluster = Cluster::start(cluster).await?;
        let front = cluster.front();
        let chains = front.clients();
        // Of no use without the home chain, since nothing is paid then.
        let resumed_at = chains[0].status().await.map_or(Height(0), |status| status.height);
        if front.down().borrow().is_empty() {
            while_all_run(front, setup::lanes(&chains)).await.context("setting up the lanes")?;
        }
        let directory = || Directory::new(chains.iter().cloned());
        let server = match (listen, links) {
            (None, Links::Mailbox) => None,
            (None, Links::Grpc) => {
                Some(Server::start(directory(), SocketAddr::from(([127, 0, 0, 1], 0))).await?)
            }
            (Some(address), _) => Some(Server::start(directory(), address).await?),
        };
        let routed = match (&server, links) {
            (Some(server), Links::Grpc) => server.connect(&chains)?,
            _ => chains.clone(),
        };
        let start = |number: usize| {
            let config = relay_config(&chains, number);
            Router::start(cluster.front().home(number), config, routed.clone())
        };
        let routers = (1..=routers).map(start).collect::<Result<_, _>>()?;
        Ok(Self { nodes: Nodes::Here(cluster), chains, resumed_at, server, _routers: routers })
    }

    /// Starts a process for each node; every one of them has a router.
    async fn apart(config: &ClusterConfig) -> Result<Self> {
        let processes = Processes::start(config.data.as_deref(), config.validators, |folder| {
            apart::write(folder, config.validators)
        })
        .await?;
        let chains = processes.clients();
        let resumed_at = chains[0].status().await?.height;
        let nodes = Nodes::Apart(processes);
        nodes.while_all_run(setup::lanes(&chains)).await.context("setting up the lanes")?;
        Ok(Self { nodes, chains, resumed_at, server: None, _routers: Vec::new() })
    }
}

fn relay_config(chains: &[Arc<dyn ChainClient>], number: usize) -> RelayConfig {
    let configs = Bank::all().map(|bank| {
        let Holder { account, key, .. } = bank.router(number);
        let chain_id = chains[bank.0].chain_id().clone();
        ChainConfig { chain_id, account, key, from: Height(1) }
    });
    let end = |bank: Bank, client| LaneEnd {
        chain: ChainIndex(bank.0),
        client,
        trusting_period_s: TRUSTING_PERIOD_S,
    };
    let lanes = Bank::partners().map(|partner| LaneConfig {
        ends: [end(Bank::HOME, partner.client_at_home()), end(partner, Bank::client_of_home())],
    });
    let life = format!("router {number}, {}", catenary_runtime::now().0);
    RelayConfig {
        chains: configs.collect(),
        lanes: lanes.collect(),
        seed: catenary_crypto::sha256(life.as_bytes()).0,
        patience_ms: 0,
    }
}

/// Does something that needs every chain, and fails as soon as one is down that nobody stopped.
async fn while_all_run<T>(node: &Node, work: impl Future<Output = Result<T>>) -> Result<T> {
    let mut down = node.down();
    tokio::select! {
        biased;
        Ok(down) = down.wait_for(|down| !down.is_empty()) => {
            let chains: Vec<_> = down.iter().map(|(chain, reason)| format!("{chain} is down: {reason}")).collect();
            bail!("{}", chains.join("\n"))
        }
        result = work => result,
    }
}

/// Runs the demo to its report.
pub async fn run(mut options: Options) -> Result<Report> {
    let mut rough = options.rough.map(rough::Rough::new);
    if let Some(rough) = &mut rough {
        rough.spoil(&mut options.orders);
        options.freeze.extend(rough.freeze(&options.orders));
    }
    let routers = if rough.is_some() { network::ROUTERS } else { 1 };
    let network = match options.processes {
        true => Network::apart(&options.cluster).await?,
        false => Network::start(&options.cluster, options.links, routers, None).await?,
    };
    let settled = network.nodes.while_all_run(settle(&network, &options, rough.as_ref())).await?;
    let books = reconcile_all(&network, &settled).await?;
    let Settled { payments, returned, duration, usage } = settled;
    Ok(Report::new(&options, &payments, returned.len(), books, duration, usage))
}

/// What a run came to.
struct Settled {
    payments: Payments,
    returned: rough::Returned,
    duration: Duration,
    usage: report::Usage,
}

async fn settle(network: &Network, options: &Options, rough: Option<&rough::Rough>) -> Result<Settled> {
    let home = &network.chains[0];
    setup::debtors(&**home, &options.orders.orders, options.months).await.context("opening the debtors")?;
    for bank in Bank::partners() {
        let frozen: BTreeSet<_> =
            options.freeze.iter().filter(|(of, _)| *of == bank).map(|(_, number)| number.clone()).collect();
        let chain = &network.chains[bank.0];
        setup::freeze(&**chain, bank, &frozen)
            .await
            .with_context(|| format!("freezing at {}", bank.name()))?;
    }
    let before = report::Usage::now(&network.nodes);
    let started = Instant::now();
    let plan = Plan { months: options.months, rough, silence: options.silence, progress: options.progress };
    let mut payments = Payments::new(&options.orders.orders, plan.months);
    payments.settle(network, &plan).await?;
    let returned = match rough {
        Some(rough) => rough.return_payments(network, &payments).await?,
        None => rough::Returned::default(),
    };
    let duration = started.elapsed();
    let usage = report::Usage::now(&network.nodes).since(&before);
    if let Some(folder) = &options.evidence {
        evidence::write(network, folder).await.context("writing the evidence")?;
    }
    Ok(Settled { payments, returned, duration, usage })
}

/// The books of every node must be the same: those of this process while they run, those of processes once they have stopped,
/// from what they left on their disks.
async fn reconcile_all(network: &Network, settled: &Settled) -> Result<reconcile::Books> {
    let Settled { payments, returned, .. } = settled;
    let processes = match &network.nodes {
        Nodes::Here(cluster) => {
            return reconcile::reconcile(&cluster.front().chains(), payments, returned).await;
        }
        Nodes::Apart(processes) => processes,
    };
    processes.agree().await?;
    let mut all: Option<reconcile::Books> = None;
    for (number, node) in processes.stop().await?.iter().enumerate() {
        let books = reconcile::reconcile(&node.chains(), payments, returned).await?;
        let differences = books.differences.iter().map(|difference| format!("node {number}: {difference}"));
        let differences: Vec<_> = differences.collect();
        match &mut all {
            None => all = Some(reconcile::Books { differences, ..books }),
            Some(all) => all.differences.extend(differences),
        }
    }
    all.context("a network has nodes")
}

/// `catenary dev`: the same network without the orders, until it is told to stop.
pub async fn dev(cluster: &ClusterConfig, links: Links, listen: SocketAddr) -> Result<()> {
    let network = Network::start(cluster, links, 1, Some(listen)).await?;
    if let Some(server) = &network.server {
        println!("gRPC      {}", server.address());
    }
    for (bank, chain) in Bank::all().zip(&network.chains) {
        println!("{:<9} {}", bank.name(), chain.chain_id());
    }
    tokio::select! {
        failed = tell_what_is_down(network.nodes.here()?.front()) => failed,
        signal = tokio::signal::ctrl_c() => signal.context("waiting for the signal to stop"),
    }
}

/// Reads `BANK:ACCOUNT`.
pub fn parse_freeze(text: &str) -> Result<(Bank, AccountNumber)> {
    let Some((bank, account)) = text.split_once(':') else { bail!("expected BANK:ACCOUNT, got {text:?}") };
    let Some(at) = BANKS.iter().position(|known| *known == bank) else {
        bail!("unknown bank {bank:?}; there are {}", BANKS.join(", "));
    };
    Ok((Bank(at + 1), account.parse()?))
}
