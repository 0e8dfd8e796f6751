//! One member of one group.

use crate::{
    config::{LOG_ENTRIES_UNCUT_MAX, engine_config},
    convert,
    engine::{Engine, MemberId},
    log::LogStore,
    machine::Outlet,
    network::{Network, Send},
    store::{Disk, Store},
};
use catenary_consensus::raft::{Appended, Clock, LogEntry, LogId, Message, Record, Rpc, Term};
use catenary_types::{Address, Block, Height, Timestamp};
use openraft::{
    ChangeMembers, EmptyNode, Raft, ServerState, Snapshot,
    error::{InitializeError, RaftError},
    raft::{AppendEntriesRequest, AppendEntriesResponse, VoteRequest},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::{mpsc, watch};

/// What a member's log tells.
#[derive(Clone, Debug)]
pub enum Event {
    /// An entry is final, in the log's order.
    Applied(LogEntry),
    /// The log begins after this entry now: what was before comes as fetched blocks.
    Installed(LogId),
    /// Whether this member leads.
    Leads(Option<Leadership>),
    /// A block that was to be written is not in the log, or nobody knows.
    Unwritten,
    /// The engine stopped.
    Failed(String),
}

/// A term in which this member leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leadership {
    /// The term.
    pub term: Term,
    /// The last entry that was in its log when it began to lead: whatever earlier leaders may have committed stands up to
    /// there.
    pub last_index: u64,
}

impl Leadership {
    /// Whether a leader that has applied up to this entry knows all that may have been committed before it.
    pub fn is_ready(&self, applied: Option<LogId>) -> bool {
        applied.is_some_and(|id| id.term == self.term && id.index >= self.last_index)
    }
}

/// What a member is made of.
pub struct Parts {
    /// The group's name, for the engine's own messages.
    pub name: String,
    /// This member.
    pub own: Address,
    /// The first members of the group.
    pub first_members: BTreeSet<Address>,
    /// What the disk holds of the log, in the order in which it was appended.
    pub records: Vec<(Height, Record)>,
    /// Where changes of the log are kept.
    pub disk: Arc<dyn Disk>,
    /// Sends to other members.
    pub send: Send,
    /// The node's clock.
    pub clock: Arc<dyn Fn() -> Timestamp + std::marker::Send + Sync>,
    /// Takes what the log tells.
    pub events: mpsc::UnboundedSender<Event>,
}

/// The engine does not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Raft engine does not start: {0}")]
pub struct StartError(String);

/// A member that runs. It ends with [`Group::shut_down`].
pub struct Group {
    raft: Raft<Engine>,
    network: Network,
    store: Arc<Store>,
    events: mpsc::UnboundedSender<Event>,
    own: Address,
    /// Whether a change of the members is under way.
    changing: Arc<AtomicBool>,
}

impl Group {
    /// Starts a member; its tasks run on this thread's runtime.
    pub async fn start(parts: Parts) -> Result<Self, StartError> {
        let Parts { name, own, first_members, records, disk, send, clock, events } = parts;
        let is_new = records.is_empty();
        let store = Store::recover(records, disk);
        let network = Network::new(own, send, clock);
        let outlet = Outlet { store: store.clone(), events: events.clone() };
        let log = LogStore(store.clone());
        let failed = |reason: String| StartError(reason);
        if let Some(last) = store.log().base.last {
            let _ = events.send(Event::Installed(last));
        }
        let raft = Raft::new(MemberId(own), engine_config(&name), network.clone(), log, outlet).await;
        let raft = raft.map_err(|error| failed(error.to_string()))?;
        if is_new && first_members.contains(&own) {
            // Every first member does it, with the same members: so all have the same first entry.
            match raft.initialize(convert::member_ids(&first_members)).await {
                Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => {}
                Err(error) => return Err(failed(error.to_string())),
            }
        }
        tokio::spawn(watch_leader(raft.metrics(), own, events.clone()));
        Ok(Self { raft, network, store, events, own, changing: Arc::default() })
    }

    /// Takes a message of another member; what it tells of that one's clock.
    pub fn receive(&self, message: Message) -> Option<(Address, Clock)> {
        if message.rpc.is_answer() {
            return self.network.take_answer(message);
        }
        let (raft, network) = (self.raft.clone(), self.network.clone());
        tokio::spawn(async move {
            let Message { from, number, rpc, .. } = message;
            // An engine that has stopped answers nothing.
            if let Some(answer) = answer(&raft, rpc).await {
                network.answer(from, number, answer);
            }
        });
        None
    }

    /// Tells another member that this one is there, and asks for its clock.
    pub fn greet(&self, to: Address) {
        self.network.greet(to);
    }

    /// Writes a block into the log, if this member leads.
    pub fn write(&self, block: Arc<Block>) {
        let (raft, events) = (self.raft.clone(), self.events.clone());
        tokio::spawn(async move {
            if let Err(error) = raft.client_write(block).await {
                tracing::debug!(%error, "a block did not get into the log");
                let _ = events.send(Event::Unwritten);
            }
        });
    }

    /// Whether these are the members as far as the log is applied, and no change of them is half done.
    pub fn has_members(&self, members: &BTreeSet<Address>) -> bool {
        let present = convert::membership(self.store.log().members.membership());
        present.voters == [members.clone()]
    }

    /// Makes these the members, if this one leads and others are. One change at a time; ask again until it is done.
    pub fn follow_members(&self, members: &BTreeSet<Address>) {
        let metrics = self.raft.metrics().borrow().clone();
        let present = metrics.membership_config.membership();
        let voters: Vec<_> =
            present.get_joint_config().iter().map(|set| convert::addresses(set.iter().copied())).collect();
        let leads = metrics.state == ServerState::Leader;
        if !leads || voters == [members.clone()] || self.changing.swap(true, Ordering::Relaxed) {
            return;
        }
        let (raft, changing) = (self.raft.clone(), self.changing.clone());
        let wanted = convert::member_ids(members);
        let new: BTreeMap<_, _> = wanted
            .iter()
            .filter(|member| present.get_node(member).is_none())
            .map(|member| (*member, EmptyNode {}))
            .collect();
        tokio::spawn(async move {
            let mut result = Ok(());
            if !new.is_empty() {
                result = raft.change_membership(ChangeMembers::AddNodes(new), true).await.map(drop);
            }
            if result.is_ok() {
                result = raft.change_membership(wanted, false).await.map(drop);
            }
            if let Err(error) = result {
                tracing::warn!(%error, "the members of a Raft group are not changed yet");
            }
            changing.store(false, Ordering::Relaxed);
        });
    }

    /// Whether this member may stand for leader, and go on as one.
    pub fn may_lead(&self, may: bool) {
        self.raft.runtime_config().elect(may);
        self.raft.runtime_config().heartbeat(may);
    }

    /// Cuts the log behind what is flushed, if that is worth it.
    pub fn compact(&self) {
        if self.store.coverable() >= LOG_ENTRIES_UNCUT_MAX {
            self.take_snapshot();
        }
    }

    /// Cuts the log of an idle group as far as it can be cut, in two calls with a while between: what an idle chain keeps in the
    /// journal keeps files that busy ones have filled.
    pub fn compact_idle(&self) {
        if self.store.coverable() > 0 {
            return self.take_snapshot();
        }
        let Some(upto) = self.store.log().cuttable() else { return };
        let raft = self.raft.clone();
        tokio::spawn(async move {
            if let Err(error) = raft.trigger().purge_log(upto).await {
                tracing::debug!(%error, "a Raft log is not cut");
            }
        });
    }

    fn take_snapshot(&self) {
        let raft = self.raft.clone();
        tokio::spawn(async move {
            if let Err(error) = raft.trigger().snapshot().await {
                tracing::debug!(%error, "a Raft log gets no snapshot");
            }
        });
    }

    /// This member.
    pub fn own(&self) -> Address {
        self.own
    }

    /// Ends the engine: when this returns, it answers and writes nothing any more.
    pub async fn shut_down(self) {
        // A task of it that panicked has ended too.
        let _ = self.raft.shutdown().await;
    }
}

/// Answers a question by what the engine says.
async fn answer(raft: &Raft<Engine>, rpc: Rpc) -> Option<Rpc> {
    match rpc {
        Rpc::Hello => Some(Rpc::Welcome),
        Rpc::Append { ballot, previous, entries, committed } => {
            let request = AppendEntriesRequest {
                vote: convert::ballot_back(&ballot),
                prev_log_id: previous.as_ref().map(convert::log_id_back),
                entries: entries.iter().map(convert::entry_back).collect(),
                leader_commit: committed.as_ref().map(convert::log_id_back),
            };
            let appended = match raft.append_entries(request).await.ok()? {
                AppendEntriesResponse::Success => Appended::All,
                AppendEntriesResponse::PartialSuccess(upto) => {
                    Appended::Upto(upto.as_ref().map(convert::log_id))
                }
                AppendEntriesResponse::Conflict => Appended::Conflict,
                AppendEntriesResponse::HigherVote(vote) => Appended::Higher(convert::ballot(&vote)),
            };
            Some(Rpc::Appended(appended))
        }
        Rpc::RequestVote { ballot, last } => {
            let last = last.as_ref().map(convert::log_id_back);
            let voted = raft.vote(VoteRequest::new(convert::ballot_back(&ballot), last)).await.ok()?;
            Some(Rpc::Voted {
                ballot: convert::ballot(&voted.vote),
                granted: voted.vote_granted,
                last: voted.last_log_id.as_ref().map(convert::log_id),
            })
        }
        Rpc::Install { ballot, base } => {
            let snapshot = Snapshot { meta: convert::snapshot_meta(&base), snapshot: Box::new(()) };
            let installed = raft.install_full_snapshot(convert::ballot_back(&ballot), snapshot).await.ok()?;
            Some(Rpc::Installed { ballot: convert::ballot(&installed.vote) })
        }
        Rpc::Welcome | Rpc::Appended(_) | Rpc::Voted { .. } | Rpc::Installed { .. } => None,
    }
}

type Metrics = openraft::RaftMetrics<MemberId, EmptyNode>;

/// Tells when this member begins and ceases to lead, until the engine ends.
async fn watch_leader(
    mut metrics: watch::Receiver<Metrics>,
    own: Address,
    events: mpsc::UnboundedSender<Event>,
) {
    let mut told: Option<Leadership> = None;
    loop {
        let now = metrics.borrow_and_update().clone();
        if let Err(fatal) = &now.running_state {
            let _ = events.send(Event::Failed(fatal.to_string()));
            return;
        }
        let leads = now.state == ServerState::Leader && now.current_leader == Some(MemberId(own));
        let term = leads.then(|| convert::term(&now.vote.leader_id));
        if term != told.map(|leadership| leadership.term) {
            let last_index = now.last_log_index.unwrap_or_default();
            told = term.map(|term| Leadership { term, last_index });
            if events.send(Event::Leads(told)).is_err() {
                return;
            }
        }
        if metrics.changed().await.is_err() {
            // It panicked, or was shut down, and then nobody listens.
            let _ = events.send(Event::Failed("the engine has ended".into()));
            return;
        }
    }
}
