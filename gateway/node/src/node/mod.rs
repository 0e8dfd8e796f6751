//! `catenary node`: one node as a process, with its chains, its links to other nodes, its door and its router.

mod certificates;
pub mod config;
mod definitions;
mod registry;
pub mod routing;

use crate::{keys, serve::Server};
use anyhow::{Context as _, Result, bail};
use catenary_api::operator;
use catenary_crypto::SigningKey;
use catenary_links::{
    Directory,
    peers::{KnownNode, PeersConfig},
};
use catenary_runtime::ChainDefinition;
use catenary_store::{DataDir, RegistryDir};
use catenary_system::{Node, NodeConfig, NodePeers};
use catenary_types::{Genesis, Message};
use certificates::Certificates;
use config::{NodeFile, PeersSection};
use definitions::Definitions;
use registry::Registry;
use routing::Routing;
use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::interval,
};

/// How often files that may change are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Runs a node until it is told to stop.
pub async fn run(path: &Path) -> Result<()> {
    let file = NodeFile::read(path)?;
    let mut certificates = Certificates::read(&file)?;
    let data = DataDir::open(&file.node.data)?;
    let (definitions, created) = (Definitions::read(&file)?, data.registry()?);
    let node = open(&file, data, &definitions, &created)?;
    tell(node.start().await);
    let peers = NodePeers::start(&node, peers_config(&file.peers, &certificates)?).await?;
    let directory = Directory::new(node.clients());
    let socket = operator_socket(&file);
    let listener = operator::listen(&socket).with_context(|| format!("opening {}", socket.display()))?;
    let operator = operator::serve(listener, node.supervisor().clone(), directory.clone());
    let server = Server::start(directory.clone(), file.api.listen).await?;
    let router = file.router.as_ref().map(|section| Routing::new(&node, section)).transpose()?;
    println!("peers {}", file.peers.listen);
    println!("api {}", server.address());
    let registry = match &file.node.registry {
        Some(name) => {
            Some(Registry::new(name, &node, created, definitions, directory, certificates.organisation())?)
        }
        None => None,
    };
    let outcome = tokio::select! {
        outcome = watch(&node, &mut certificates) => outcome,
        served = operator => served.context("serving the operator"),
        routed = route(router) => routed.context("the router"),
        () = follow(registry) => Ok(()),
    };
    drop((server, peers));
    node.stop().await;
    outcome
}

/// Opens the data folder and takes charge of the chains.
fn open(file: &NodeFile, data: DataDir, definitions: &Definitions, created: &RegistryDir) -> Result<Node> {
    let unused = file.node.validator_key.as_deref().map(keys::unused_mark);
    let is_new = unused.as_deref().is_some_and(Path::exists);
    if is_new {
        created.set_since(0)?;
    }
    let mut chains = chains(file, definitions, is_new)?;
    if file.node.registry.is_some() {
        for record in registry::records(created)? {
            chains.push(definitions.of(Genesis::decode(&record.genesis)?, is_new)?);
        }
    }
    let (node, notices) = Node::open(NodeConfig::on_this_machine(data, chains))?;
    tell(notices);
    // That the keys have signed nothing is noted on disk now, and from the next moment on it need not be true.
    if let Some(unused) = unused.filter(|_| is_new) {
        fs::remove_file(&unused).with_context(|| format!("deleting {}", unused.display()))?;
    }
    Ok(node)
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

fn peers_config(section: &PeersSection, certificates: &Certificates) -> Result<PeersConfig> {
    let listener = TcpListener::bind(section.listen)
        .with_context(|| format!("listening for nodes on {}", section.listen))?;
    let known = |node: &config::PeerSection| {
        let key = node.key.parse().with_context(|| format!("the node at {}", node.address))?;
        Ok(KnownNode { key, address: node.address.clone() })
    };
    Ok(PeersConfig {
        listener,
        nodes: section.nodes.iter().map(known).collect::<Result<_>>()?,
        identity: certificates.identity(),
        trust: certificates.trust(),
    })
}

/// Waits for the signal to stop, and meanwhile takes up changed certificates and says which chains are down.
async fn watch(node: &Node, certificates: &mut Certificates) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut look = interval(LOOK_INTERVAL);
    tokio::select! {
        failed = tell_what_is_down(node) => failed,
        signal = tokio::signal::ctrl_c() => signal.context("waiting for the signal to stop"),
        _ = terminate.recv() => Ok(()),
        () = async {
            loop {
                look.tick().await;
                certificates.look();
            }
        } => Ok(()),
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
    for node in &file.peers.nodes {
        let _: catenary_crypto::PublicKey = node.key.parse()?;
    }
    Ok(())
}

fn tell(notices: Vec<String>) {
    notices.iter().for_each(|notice| eprintln!("{notice}"));
}

/// The key of a node.
fn node_key(file: &NodeFile) -> Result<Arc<SigningKey>> {
    keys::signing_key(&file.node.key).map(Arc::new)
}
