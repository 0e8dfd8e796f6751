//! The public handle of a node's chains.

use super::actor::{ChainDefinition, Reasons, SupervisorActor, SupervisorMessage};
use crate::{
    chain::ChainMailbox,
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
use std::sync::Arc;
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
}

/// A node's chains: starts them, stops them, restarts what falls. Cheap to clone.
#[derive(Clone)]
pub struct Supervisor {
    address: Addr<SupervisorActor>,
    mailboxes: Arc<Vec<ChainMailbox>>,
    links: Arc<PeerLinks>,
    down: watch::Receiver<Reasons>,
    rebuilt: watch::Receiver<Reasons>,
}

impl Supervisor {
    /// Takes charge of these chains. None runs before [`Self::start`].
    pub fn new(parts: NodeParts, chains: Vec<(ChainDefinition, ChainJournal)>) -> std::io::Result<Self> {
        let links = Arc::new(PeerLinks::default());
        let verification = Verification::start(&parts.platform)?;
        let actor = SupervisorActor::new(parts, links.clone(), verification, chains);
        let mailboxes = Arc::new(actor.mailboxes());
        let (down, rebuilt) = (actor.watch_down(), actor.watch_rebuilt());
        Ok(Self { address: actor.start(), mailboxes, links, down, rebuilt })
    }

    /// Connects the node with another one. The link lasts until either drops its end.
    pub fn connect(&self, peer: Peer, end: WireEnd) {
        self.address.do_send(SupervisorMessage::Connect { peer, end });
    }

    /// What the links of the node carried.
    pub fn link_stats(&self) -> LinkStats {
        self.links.stats()
    }

    /// The chains, in the order they were defined.
    pub fn chains(&self) -> &[ChainMailbox] {
        &self.mailboxes
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

    /// Starts a chain by its number and waits until it runs; an error says why it does not.
    pub async fn start(&self, chain: usize) -> Result<Vec<String>, String> {
        self.ask(|reply| SupervisorMessage::Start { chain, reply }).await?
    }

    /// Stops a chain by its number; its submissions are refused and its peers wait until it starts again.
    pub async fn stop(&self, chain: usize, reason: &str) -> Result<(), String> {
        let reason = reason.to_owned();
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
    pub fn log_failed(&self, chain: usize, reason: String) {
        self.address.do_send(SupervisorMessage::LogFailed { chain, reason });
    }
}
