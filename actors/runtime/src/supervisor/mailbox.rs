//! The public handle of a node's chains.

use super::actor::{ChainDefinition, Reasons, SupervisorActor, SupervisorMessage};
use crate::{
    chain::{ChainMailbox, Slots},
    door::Door,
    executor::Executors,
    home::Home,
    index_writer::IndexWriter,
    journal::ChainJournal,
    peer::{LinkStats, PeerLinks},
    snapshot::SnapshotPolicy,
    verification::Verification,
};
use actix::{Actor, Addr};
use catenary_consensus::Peer;
use catenary_journal::journal::Report;
use catenary_links::WireEnd;
use catenary_platform::Platform;
use catenary_store::{DataDir, block_log::BlockLogWriter, guard::Guard, index::Index, journal::Journal};
use catenary_types::ChainId;
use std::sync::{Arc, Weak};
use tokio::sync::{oneshot, watch};

/// What all chains of a node share.
pub struct NodeParts {
    /// What the node runs on.
    pub platform: Platform,
    /// The data folder.
    pub data: DataDir,
    /// The journal's handle.
    pub journal: Journal,
    /// What was wrong with it at the start.
    pub report: Report,
    /// Whether it was there at the start.
    pub journal_existed: bool,
    /// The guard's handle.
    pub guard: Guard,
    /// Whether every mark in its file was whole at the start.
    pub guard_whole: bool,
    /// The block log writer.
    pub logs: Arc<BlockLogWriter>,
    /// The index.
    pub index: Arc<Index>,
    /// The checkpoint writer.
    pub index_writer: IndexWriter,
    /// When snapshots of its chains are taken.
    pub snapshots: SnapshotPolicy,
    /// The executors.
    pub executors: Arc<Executors>,
    /// Where actors run; chains are spread over them.
    pub homes: Vec<Home>,
    /// Whether submissions are taken.
    pub door: Door,
}

/// A node's chains: starts them, stops them, restarts what falls. Cheap to clone.
#[derive(Clone)]
pub struct Supervisor {
    address: Addr<SupervisorActor>,
    slots: Arc<Slots>,
    links: Arc<PeerLinks>,
    down: watch::Receiver<Reasons>,
    rebuilt: watch::Receiver<Reasons>,
}

impl Supervisor {
    /// Takes charge of these chains. None runs before [`Self::start`].
    pub fn new(parts: Arc<NodeParts>, chains: Vec<(ChainDefinition, ChainJournal)>) -> std::io::Result<Self> {
        let links = Arc::new(PeerLinks::default());
        let verification = Verification::start(&parts.platform)?;
        let slots = Arc::new(Slots::default());
        let actor = SupervisorActor::new(parts, links.clone(), verification, slots.clone(), chains);
        let (down, rebuilt) = (actor.watch_down(), actor.watch_rebuilt());
        Ok(Self { address: actor.start(), slots, links, down, rebuilt })
    }

    /// Connects the node with another one. The link lasts until either drops its end.
    pub fn connect(&self, peer: Peer, end: WireEnd) {
        self.address.do_send(SupervisorMessage::Connect { peer, end });
    }

    /// The peers that have a link now.
    pub fn connected(&self) -> Vec<Peer> {
        self.links.peers()
    }

    /// What the links of the node carried.
    pub fn link_stats(&self) -> LinkStats {
        self.links.stats()
    }

    /// The chains, in the order they were added.
    pub fn chains(&self) -> Vec<ChainMailbox> {
        self.slots.mailboxes()
    }

    /// Takes charge of a further chain, which does not run before [`Self::start`].
    pub async fn add(&self, definition: ChainDefinition, journal: ChainJournal) -> Result<(), String> {
        let chain = Box::new((definition, journal));
        self.ask(|reply| SupervisorMessage::Add { chain, reply }).await
    }

    /// Stops a chain for good. It signs nothing more; what it keeps on disk stays. As long as the definition lives somebody
    /// may still be opening the chain's files.
    pub async fn remove(&self, chain: &ChainId, reason: &str) -> Result<Weak<ChainDefinition>, String> {
        let (chain, reason) = (chain.clone(), reason.to_owned());
        self.ask(|reply| SupervisorMessage::Remove { chain, reason, reply }).await
    }

    /// The chains that are down although nobody stopped them: they did not start, or fell and stay down. A chain that is
    /// being rebuilt is not among them.
    pub fn down(&self) -> watch::Receiver<Reasons> {
        self.down.clone()
    }

    /// The chains that fell and were rebuilt from their logs, each with the last reason.
    pub fn rebuilt(&self) -> watch::Receiver<Reasons> {
        self.rebuilt.clone()
    }

    /// Starts a chain and waits until it runs; an error says why it does not.
    pub async fn start(&self, chain: &ChainId) -> Result<Vec<String>, String> {
        let chain = chain.clone();
        self.ask(|reply| SupervisorMessage::Start { chain, reply }).await?
    }

    /// Stops a chain; its submissions are refused and its peers wait until it starts again.
    pub async fn stop(&self, chain: &ChainId, reason: &str) -> Result<(), String> {
        let (chain, reason) = (chain.clone(), reason.to_owned());
        self.ask(|reply| SupervisorMessage::Stop { chain, reason, reply }).await
    }

    /// What a failing block log or a panicking executor reports to.
    pub(crate) async fn ask<T>(
        &self,
        message: impl FnOnce(oneshot::Sender<T>) -> SupervisorMessage,
    ) -> Result<T, String> {
        let (reply, answer) = oneshot::channel();
        // Whatever the capacity: these are the node's own commands, one per chain when it starts.
        self.address.do_send(message(reply));
        answer.await.map_err(|_| "the supervisor is gone".into())
    }

    /// Stops every chain and every link, for good.
    pub async fn shut_down(&self) {
        // One that is gone has nothing left to stop.
        let _ = self.ask(SupervisorMessage::ShutDown).await;
    }

    /// Reports that a chain's block log failed.
    pub fn log_failed(&self, chain: ChainId, reason: String) {
        self.address.do_send(SupervisorMessage::LogFailed { chain, reason });
    }
}
