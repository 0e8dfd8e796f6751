//! `catenary node`: one node as a process, with its chains, its links to other nodes, its door and its router.

mod certificates;
pub mod config;
pub mod routing;

use crate::{keys, network, serve::Server};
use anyhow::{Context as _, Result, bail};
use catenary_crypto::SigningKey;
use catenary_links::peers::{KnownNode, PeersConfig};
use catenary_runtime::{ChainDefinition, Reporter};
use catenary_store::DataDir;
use catenary_system::{Node, NodeConfig, NodePeers, SnapshotPolicy};
use catenary_types::{Genesis, Message};
use certificates::Certificates;
use config::{NodeFile, NodeSection, PeersSection};
use std::{collections::BTreeMap, fs, net::TcpListener, path::Path, sync::Arc, time::Duration};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::interval,
};

/// How often files that may change are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Runs a node until it is told to stop.
pub async fn run(path: &Path) -> Result<()> {
    let file = NodeFile::read(path)?;
    let node = open(&file)?;
    tell(node.start().await);
    let mut certificates = Certificates::read(&file)?;
    let peers = NodePeers::start(&node, peers_config(&file.peers, &certificates)?).await?;
    let clients = node.clients();
    let server = Server::start(&clients, file.api.listen).await?;
    let router = match &file.router {
        Some(section) => Some(routing::start(&node, section)?),
        None => None,
    };
    println!("peers {}", file.peers.listen);
    println!("api {}", server.address());
    let outcome = watch(&node, &mut certificates).await;
    drop((router, server, peers));
    node.stop().await;
    outcome
}

/// Opens the data folder and takes charge of the chains.
fn open(file: &NodeFile) -> Result<Node> {
    let data = DataDir::open(&file.node.data)?;
    let unused = file.node.validator_key.as_deref().map(keys::unused_mark);
    let is_new = unused.as_deref().is_some_and(Path::exists);
    let NodeSection { snapshot_every_blocks, snapshots_kept, begin_with_snapshot, .. } = file.node;
    let snapshots = SnapshotPolicy {
        every_blocks: snapshot_every_blocks,
        keep: snapshots_kept,
        begin: begin_with_snapshot,
    };
    let config = NodeConfig { snapshots, ..NodeConfig::on_this_machine(data, chains(file, is_new)?) };
    let (node, notices) = Node::open(config)?;
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

fn chains(file: &NodeFile, is_new: bool) -> Result<Vec<ChainDefinition>> {
    let validator_seed = file.node.validator_key.as_deref().map(keys::read).transpose()?;
    let reporter = match &file.router {
        Some(section) => {
            let key = Arc::new(keys::signing_key(&section.key)?);
            Some(Reporter { account: routing::account(section)?, key })
        }
        None => None,
    };
    let definition = |section: &config::ChainSection| {
        let genesis = read_genesis(&section.genesis)?;
        Ok(ChainDefinition {
            chain_id: genesis.chain_id()?,
            genesis,
            ledger: network::ledger(),
            validator_seed,
            reporter: reporter.clone(),
            is_new,
        })
    };
    file.chains.iter().map(definition).collect()
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
    let _ = chains(&file, false)?;
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
