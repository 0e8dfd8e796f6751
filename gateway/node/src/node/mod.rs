//! `catenary node`: one node as a process, with its chains, its links to other nodes, its door and its router.

mod certificates;
pub mod config;
mod definitions;
mod registry;
mod room;
pub mod routing;

use crate::{
    keys,
    metrics::{self, MetricsDoor, Question, Source},
    serve::Server,
};
use anyhow::{Context as _, Result, bail};
use catenary_api::operator;
use catenary_crypto::{PublicKey, SigningKey};
use catenary_links::{
    Directory,
    peers::{KnownNode, PeersConfig},
};
use catenary_relay::gateway::RefusalReason;
use catenary_runtime::ChainDefinition;
use catenary_store::{DataDir, RegistryDir};
use catenary_system::{DiskWatch, Node, NodeConfig, NodePeers, SnapshotPolicy};
use catenary_types::{Genesis, Message};
use certificates::Certificates;
use config::{NodeFile, NodeSection, PeersSection};
use definitions::Definitions;
use registry::Registry;
use routing::{Routing, Served};
use std::{
    cell::Cell,
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::{interval, timeout},
};

/// How often files that may change are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// How long a chain may take to say how far it is when the node stops.
const TIP_PATIENCE: Duration = Duration::from_secs(1);

/// Runs a node until it is told to stop.
pub async fn run(path: &Path) -> Result<()> {
    let file = NodeFile::read(path)?;
    // Open before the node is: it is alive from here on.
    let mut monitoring = match &file.metrics {
        Some(section) => Some(MetricsDoor::open(section.listen).await?),
        None => None,
    };
    let definitions = Definitions::read(&file)?;
    let mut disk = room::disk(&file);
    let (node, created) = room::open(&disk, || open(&file, &definitions)).await?;
    // Before anybody can submit anything.
    room::look(&mut disk, node.door());
    tell(node.start().await);
    let mut certificates = Certificates::read(&file)?;
    let peers = NodePeers::start(&node, peers_config(&file.peers, &certificates)?).await?;
    let directory = Directory::new(node.clients());
    let socket = operator_socket(&file);
    let listener = operator::listen(&socket).with_context(|| format!("opening {}", socket.display()))?;
    let operator = operator::serve(listener, node.supervisor().clone(), directory.clone());
    let server = Server::start(directory.clone(), file.api.listen).await?;
    let served = Served::default();
    let router = file.router.as_ref().map(|section| Routing::new(&node, section, &served)).transpose()?;
    println!("peers {}", file.peers.listen);
    println!("api {}", server.address());
    if let Some((door, _)) = &monitoring {
        println!("metrics {}", door.address());
    }
    let registry = match &file.node.registry {
        Some(name) => {
            Some(Registry::new(name, &node, created, definitions, directory, certificates.organisation())?)
        }
        None => None,
    };
    let source = Source {
        node: &node,
        peers: &peers,
        configured: &configured(&file.peers)?,
        served: &served,
        space: &Cell::default(),
    };
    let questions = monitoring.as_mut().map(|(_, questions)| questions);
    let outcome = tokio::select! {
        outcome = watch(&source, &mut certificates, disk, questions) => outcome,
        served = operator => served.context("serving the operator"),
        routed = route(router) => routed.context("the router"),
        () = follow(registry) => Ok(()),
    };
    if node.failure().is_some_and(|failure| failure.is_disk_full()) {
        room::give_up(&file);
    }
    node.door().close(RefusalReason::Halted, "the node is stopping");
    eprintln!("stopping: no submission is taken any more");
    let tips = tips(&node).await;
    drop((served, server, peers));
    // Whoever comes too late is told that nobody is there.
    let _ = fs::remove_file(&socket);
    node.stop().await;
    if outcome.is_ok() {
        eprintln!("stopped: journal, guard and block logs are flushed; {}", tips.join(", "));
    }
    outcome
}

/// How far each chain is, and how many transactions wait for a block: other nodes were told of them.
async fn tips(node: &Node) -> Vec<String> {
    let mut tips = Vec::new();
    for chain in node.chains() {
        let (id, status) = (chain.chain_id(), timeout(TIP_PATIENCE, chain.status()).await);
        tips.push(match status {
            Ok(Ok(status)) => format!("{id} at {} with {} waiting", status.height, status.pool),
            Ok(Err(_)) | Err(_) => format!("{id} down"),
        });
    }
    tips
}

/// Opens the data folder and takes charge of the chains.
fn open(file: &NodeFile, definitions: &Definitions) -> Result<(Node, RegistryDir)> {
    let data = DataDir::open(&file.node.data)?;
    let created = data.registry()?;
    let unused = file.node.validator_key.as_deref().map(keys::unused_mark);
    let is_new = unused.as_deref().is_some_and(Path::exists);
    if is_new {
        created.set_since(0)?;
    }
    let mut chains = chains(file, definitions, is_new)?;
    if file.node.registry.is_some() {
        for record in registry::records(&created)? {
            chains.push(definitions.of(Genesis::decode(&record.genesis)?, is_new)?);
        }
    }
    let NodeSection { snapshot_every_blocks, snapshots_kept, begin_with_snapshot, .. } = file.node;
    let snapshots = SnapshotPolicy {
        every_blocks: snapshot_every_blocks,
        keep: snapshots_kept,
        begin: begin_with_snapshot,
    };
    let config = NodeConfig { snapshots, ..NodeConfig::on_this_machine(data, chains) };
    let (node, notices) = Node::open(config)?;
    tell(notices);
    // That the keys have signed nothing is noted on disk now, and from the next moment on it need not be true.
    if let Some(unused) = unused.filter(|_| is_new) {
        fs::remove_file(&unused).with_context(|| format!("deleting {}", unused.display()))?;
    }
    Ok((node, created))
}

/// Reads a genesis document.
pub fn read_genesis(path: &Path) -> Result<Genesis> {
    let bytes = fs::read(path).with_context(|| format!("reading the genesis {}", path.display()))?;
    Genesis::decode(&bytes).with_context(|| format!("{} is no genesis document", path.display()))
}

fn chains(file: &NodeFile, definitions: &Definitions, is_new: bool) -> Result<Vec<ChainDefinition>> {
    let genesis = file.chains.iter().map(|section| read_genesis(&section.genesis));
    genesis.map(|genesis| definitions.of(genesis?, is_new)).collect()
}

/// Where a node answers its operator.
pub fn operator_socket(file: &NodeFile) -> PathBuf {
    file.node.data.join("operator.sock")
}

async fn route(router: Option<Routing<'_>>) -> Result<()> {
    match router {
        Some(router) => router.follow().await,
        None => std::future::pending().await,
    }
}

async fn follow(registry: Option<Registry<'_>>) {
    match registry {
        Some(registry) => registry.follow().await,
        None => std::future::pending().await,
    }
}

/// The keys of the nodes to connect to.
fn configured(section: &PeersSection) -> Result<Vec<PublicKey>> {
    let key = |node: &config::PeerSection| {
        node.key.parse().with_context(|| format!("the key of the node at {}", node.address))
    };
    section.nodes.iter().map(key).collect()
}

fn peers_config(section: &PeersSection, certificates: &Certificates) -> Result<PeersConfig> {
    let listener = TcpListener::bind(section.listen)
        .with_context(|| format!("listening for nodes on {}", section.listen))?;
    let keys = configured(section)?;
    let known = |(key, node): (_, &config::PeerSection)| KnownNode { key, address: node.address.clone() };
    Ok(PeersConfig {
        listener,
        nodes: keys.into_iter().zip(&section.nodes).map(known).collect(),
        identity: certificates.identity(),
        trust: certificates.trust(),
    })
}

/// Waits for the signal to stop, and meanwhile takes up changed certificates, says which chains are down, watches the disk and
/// answers the monitoring.
async fn watch(
    source: &Source<'_>,
    certificates: &mut Certificates,
    disk: DiskWatch,
    questions: Option<&mut mpsc::Receiver<Question>>,
) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut look = interval(LOOK_INTERVAL);
    tokio::select! {
        failed = tell_what_is_down(source.node) => failed,
        signal = tokio::signal::ctrl_c() => signal.context("waiting for the signal to stop"),
        _ = terminate.recv() => Ok(()),
        () = async {
            loop {
                look.tick().await;
                certificates.look();
            }
        } => Ok(()),
        () = room::watch(disk, source.node.door(), source.space) => Ok(()),
        () = metrics::answer(source, questions) => Ok(()),
    }
}

/// Says which chains are down, whenever that changes, and fails once the node can do nothing more.
pub async fn tell_what_is_down(node: &Node) -> Result<()> {
    let (mut down, mut told) = (node.down(), BTreeMap::new());
    loop {
        let now = down.borrow_and_update().clone();
        for (chain, reason) in now.iter().filter(|(chain, reason)| told.get(*chain) != Some(*reason)) {
            eprintln!("{chain} is down, the other chains go on: {reason}");
        }
        told = now;
        if let Some(failure) = node.failure() {
            bail!("the journal failed, so no chain can go on: {failure}");
        }
        down.changed().await.context("watching the chains")?;
    }
}

/// Reads everything that the configuration names, and starts nothing.
pub fn check(path: &Path) -> Result<()> {
    let file = NodeFile::read(path)?;
    let _ = chains(&file, &Definitions::read(&file)?, false)?;
    let _ = Certificates::read(&file)?;
    let _ = configured(&file.peers)?;
    Ok(())
}

fn tell(notices: Vec<String>) {
    notices.iter().for_each(|notice| eprintln!("{notice}"));
}

/// The key of a node.
fn node_key(file: &NodeFile) -> Result<Arc<SigningKey>> {
    keys::signing_key(&file.node.key).map(Arc::new)
}
