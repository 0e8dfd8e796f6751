//! Reads what a node has counted.

use super::process::Process;
use crate::node::routing::{Served, Serving};
use catenary_crypto::PublicKey;
use catenary_relay::{
    gateway::Refusal,
    query::{Activity, ChainStatus},
};
use catenary_runtime::{ChainStats, RouterStats};
use catenary_store::disk::Space;
use catenary_system::{Node, NodePeers, NodeStats};
use std::{cell::Cell, collections::BTreeMap, time::Duration};
use tokio::time::timeout;

/// How long a chain may take to say how it is.
const CHAIN_PATIENCE: Duration = Duration::from_secs(1);

/// The parts of a running node that have something to tell.
pub struct Source<'a> {
    /// The node.
    pub node: &'a Node,
    /// Its links.
    pub peers: &'a NodePeers,
    /// The nodes that it is configured to connect to.
    pub configured: &'a [PublicKey],
    /// Its router.
    pub served: &'a Served,
    /// The last look at its disk.
    pub space: &'a Cell<Option<Space>>,
}

/// What a node has counted, at one moment.
pub struct Snapshot {
    pub chains: Vec<ChainSnapshot>,
    pub node: NodeStats,
    /// By node key: whether there is a link.
    pub links: BTreeMap<PublicKey, bool>,
    /// With the chains that it serves.
    pub router: Option<(Vec<String>, RouterStats)>,
    pub space: Option<Space>,
    /// Why submissions are refused, if they are.
    pub refusal: Option<Refusal>,
    pub process: Process,
}

/// What a chain has counted, and how it is.
pub struct ChainSnapshot {
    pub chain: String,
    pub doing: Doing,
    /// None if it has never run, or does not answer.
    pub status: Option<ChainStatus>,
    pub stats: ChainStats,
}

/// What a chain is doing, by its published name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Nothing to do.
    Idle,
    /// Agreeing on a block.
    Working,
    /// For votes of others.
    Waiting,
    /// The operator stopped it, or it is being opened.
    Stopped,
    /// It fell, or could not start.
    Down,
    /// It did not answer in time.
    Silent,
}

impl Doing {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Idle, Self::Working, Self::Waiting, Self::Stopped, Self::Down, Self::Silent];

    /// The label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Working => "working",
            Self::Waiting => "waiting",
            Self::Stopped => "stopped",
            Self::Down => "down",
            Self::Silent => "silent",
        }
    }

    /// Whether the chain serves.
    fn serves(self) -> bool {
        matches!(self, Self::Idle | Self::Working | Self::Waiting)
    }
}

impl Snapshot {
    /// Why the node is not ready; nothing if it is.
    pub fn obstacles(&self) -> Vec<String> {
        let chains = self.chains.iter().filter(|chain| !chain.doing.serves());
        let chains = chains.map(|chain| format!("{} is {}", chain.chain, chain.doing.name()));
        chains.chain(self.refusal.as_ref().map(ToString::to_string)).collect()
    }
}

fn routed(Serving { router, chains }: &Serving) -> (Vec<String>, RouterStats) {
    (chains.iter().map(ToString::to_string).collect(), router.stats())
}

/// Asks every part.
pub async fn snapshot(source: &Source<'_>) -> Snapshot {
    let Source { node, peers, configured, served, space } = source;
    let down = node.down().borrow().clone();
    let mut links: BTreeMap<_, _> = configured.iter().map(|node| (*node, false)).collect();
    links.extend(peers.links());
    let chain = async |chain: &catenary_runtime::ChainMailbox| {
        let status = timeout(CHAIN_PATIENCE, chain.status()).await;
        let is_down = down.contains_key(chain.chain_id());
        let doing = match &status {
            Err(_) => Doing::Silent,
            Ok(Ok(status)) => match &status.activity {
                Activity::Idle => Doing::Idle,
                Activity::Working => Doing::Working,
                Activity::Waiting { .. } => Doing::Waiting,
                Activity::Halted { .. } if is_down => Doing::Down,
                Activity::Halted { .. } => Doing::Stopped,
            },
            Ok(Err(_)) if is_down => Doing::Down,
            Ok(Err(_)) => Doing::Stopped,
        };
        let status = status.ok().and_then(Result::ok);
        ChainSnapshot { chain: chain.chain_id().to_string(), doing, status, stats: chain.stats() }
    };
    Snapshot {
        chains: futures::future::join_all(node.chains().iter().map(chain)).await,
        node: node.stats(),
        links,
        router: served.borrow().as_ref().map(routed),
        space: space.get(),
        refusal: node.door().refusal(),
        process: Process::now(),
    }
}
