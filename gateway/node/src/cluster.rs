//! Several nodes in one process, each with its own folder, threads and validators, joined by links.

use crate::network;
use anyhow::{Context as _, Result, ensure};
use catenary_consensus::Peer;
use catenary_links::{Impairment, Switch, impaired_pair, pair};
use catenary_store::DataDir;
use catenary_system::{Node, NodeConfig, NodeStats};
use catenary_types::Genesis;
use std::path::{Path, PathBuf};

/// What the nodes of a network are.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// Where they keep their data, a folder each; temporary ones if there is none.
    pub data: Option<PathBuf>,
    /// How many there are: each chain has a validator on each.
    pub validators: usize,
    /// What the links do to what they carry, if they are to do anything.
    pub impairment: Option<Impairment>,
}

/// Nodes that run.
pub struct Cluster {
    nodes: Vec<Node>,
    /// One per node: cuts all its links, if they are impaired ones.
    switches: Vec<Switch>,
    genesis: Vec<Genesis>,
}

impl Cluster {
    /// Opens the folders, starts all chains on all nodes and connects every two nodes. All are open before a chain starts
    /// anywhere: a genesis that one node has stored tells the others that their keys are no longer new.
    pub async fn start(config: &ClusterConfig) -> Result<Self> {
        let folders = open_folders(config).context("opening the data folder")?;
        let documents = network::genesis_documents(&folders, catenary_runtime::now())?;
        let mut nodes = Vec::new();
        for (number, data) in folders.into_iter().enumerate() {
            let chains = network::chains(&documents, number)?;
            let (node, notices) = Node::open(NodeConfig::on_this_machine(data, chains))?;
            tell(number, notices);
            nodes.push(node);
        }
        for (number, node) in nodes.iter().enumerate() {
            tell(number, node.start().await);
        }
        let genesis = documents.into_iter().map(|document| document.genesis).collect();
        let switches = nodes.iter().map(|_| Switch::default()).collect();
        let cluster = Self { nodes, switches, genesis };
        for second in 0..cluster.nodes.len() {
            (0..second).for_each(|first| cluster.join(first, second, config.impairment));
        }
        Ok(cluster)
    }

    fn join(&self, first: usize, second: usize, impairment: Option<Impairment>) {
        let (end, far_end) = match impairment {
            None => pair(),
            Some(impairment) => {
                let seed = impairment.seed ^ (first as u64) << 8 ^ second as u64;
                let switches = [self.switches[first].clone(), self.switches[second].clone()];
                let (end, far_end, carried) = impaired_pair(Impairment { seed, ..impairment }, switches);
                self.nodes[first].home(second).spawn(carried);
                (end, far_end)
            }
        };
        self.nodes[first].connect(Peer(second as u64), end);
        self.nodes[second].connect(Peer(first as u64), far_end);
    }

    /// The node that clients and routers use.
    pub fn front(&self) -> &Node {
        &self.nodes[0]
    }

    /// The chains' genesis documents.
    pub fn genesis(&self) -> &[Genesis] {
        &self.genesis
    }

    /// Cuts the links of the last so many nodes, or joins them again.
    pub fn silence(&self, nodes: usize, silent: bool) {
        for switch in self.switches.iter().rev().take(nodes) {
            if silent { switch.cut() } else { switch.join() }
        }
    }

    /// Stops a chain on every node.
    pub async fn stop_chain(&self, chain: usize, reason: &str) -> Result<()> {
        for node in &self.nodes {
            let chain = node.chains()[chain].chain_id().clone();
            node.supervisor().stop(&chain, reason).await.map_err(anyhow::Error::msg)?;
        }
        Ok(())
    }

    /// Starts a chain on every node.
    pub async fn start_chain(&self, chain: usize) -> Result<()> {
        for node in &self.nodes {
            let chain = node.chains()[chain].chain_id().clone();
            node.supervisor().start(&chain).await.map_err(anyhow::Error::msg)?;
        }
        Ok(())
    }

    /// What all nodes have done.
    pub fn stats(&self) -> NodeStats {
        self.nodes.iter().map(Node::stats).fold(NodeStats::default(), NodeStats::plus)
    }
}

fn tell(number: usize, notices: Vec<String>) {
    for notice in notices {
        eprintln!("node {number}: {notice}");
    }
}

/// The nodes' folders, `node-0` and so on.
fn open_folders(config: &ClusterConfig) -> Result<Vec<DataDir>> {
    let Some(parent) = &config.data else {
        return (0..config.validators).map(|_| Ok(DataDir::temporary()?)).collect();
    };
    let folder = |number: usize| parent.join(format!("node-{number}"));
    let beyond = folder(config.validators);
    ensure!(!exists(&beyond), "{} is there: the network has more nodes", beyond.display());
    (0..config.validators).map(|number| Ok(DataDir::open(folder(number))?)).collect()
}

fn exists(path: &Path) -> bool {
    path.try_exists().unwrap_or(true)
}
