//! The actix side of the supervisor.

use super::{
    mailbox::NodeParts,
    watch::{LinkWatch, Watch},
};
use crate::{
    chain::{ChainActor, ChainMessage, ChainParts, Running, Slot, Slots},
    consensus::{ConsensusParts, Group},
    journal::ChainJournal,
    memory::recall,
    peer::{LinkNumber, PeerLinkActor, PeerLinkParts, PeerLinks},
    raft::{self, RaftLog},
    recovery::{OpenChainError, OpenedChain, Others, open_chain},
    snapshot::ChainSnapshots,
    suspect::{Alterations, Finding, Suspect},
    verification::{GroupView, Verification},
};
use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message};
use catenary_consensus::{Mark, Peer, Signer, Timeouts};
use catenary_crypto::SigningKey;
use catenary_ledger::Ledger;
use catenary_links::WireEnd;
use catenary_relay::query::ChainStatus;
use catenary_replica::{Anchor, Input, Memory, Recovered, Replica, Reporter};
use catenary_store::ChainDir;
use catenary_types::{Address, ChainId, Genesis, Timestamp, genesis::CONSENSUS_RAFT};
use std::{
    collections::{BTreeMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Weak},
};
use tokio::sync::{oneshot, watch};

/// A chain that falls this often within a minute stays down until the operator starts it.
const FALLS_PER_MINUTE_MAX: usize = 3;

/// What a chain is made of.
pub struct ChainDefinition {
    /// The genesis document.
    pub genesis: Genesis,
    /// Its id.
    pub chain_id: ChainId,
    /// The code.
    pub ledger: Ledger,
    /// The seed of this node's validator key; none observes.
    pub validator_seed: Option<[u8; 32]>,
    /// Who signs this node's reports of validators that vote twice; none reports nothing.
    pub reporter: Option<Reporter>,
    /// Whether chain and key are being made now, so that the key cannot have signed anything.
    pub is_new: bool,
}

/// Chains, each with a reason: why it is down although nobody stopped it, or why it was rebuilt from its log.
pub type Reasons = BTreeMap<ChainId, String>;

impl ChainDefinition {
    /// The validator that this node may be.
    pub fn validator(&self) -> Option<Address> {
        self.validator_seed.map(|seed| Address::of(&SigningKey::from_seed(&seed).public_key()))
    }
}

type StartReply = oneshot::Sender<Result<Vec<String>, String>>;

/// What the supervisor's mailbox takes: few messages, never full in practice.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) enum SupervisorMessage {
    /// A further chain, which does not run yet.
    Add { chain: Box<(ChainDefinition, ChainJournal)>, reply: oneshot::Sender<()> },
    /// A chain goes, for good.
    Remove { chain: ChainId, reason: String, reply: oneshot::Sender<Weak<ChainDefinition>> },
    /// The operator starts a chain.
    Start { chain: ChainId, reply: StartReply },
    /// The operator stops a chain.
    Stop { chain: ChainId, reason: String, reply: oneshot::Sender<()> },
    /// A chain was opened, or cannot be.
    Opened { chain: ChainId, generation: u64, result: Result<Box<Opened>, String> },
    /// An actor or executor task of a chain is gone.
    Fell { chain: ChainId, generation: u64, reason: String, suspect: Option<Arc<Suspect>> },
    /// A chain without a block is to begin with the snapshot that was stored for it.
    Restored { chain: ChainId, generation: u64 },
    /// A link to another node is up.
    Connect { peer: Peer, end: WireEnd },
    /// It is down.
    Disconnected(Peer, LinkNumber),
    /// A block log takes no more blocks.
    LogFailed { chain: ChainId, reason: String },
    /// The node stops.
    ShutDown(oneshot::Sender<()>),
}

/// An opened chain with what the journal holds of it.
pub(crate) struct Opened {
    chain: OpenedChain,
    journal: ChainJournal,
    recovered: Recovered,
    memory: Memory,
    mark: Option<Mark>,
    altered: Option<Alterations>,
    raft: Option<RaftLog>,
    snapshots: ChainSnapshots,
    dir: ChainDir,
}

struct Supervised {
    definition: Arc<ChainDefinition>,
    /// Which of the node's homes its actors have.
    home: usize,
    slot: Arc<Slot>,
    journal: ChainJournal,
    generation: u64,
    falls: VecDeque<Timestamp>,
    waiting: Vec<StartReply>,
    last: Option<ChainStatus>,
}

impl Supervised {
    /// The chain runs; whoever waited for it is told.
    fn runs(&mut self, running: Running, notices: &[String]) {
        self.slot.occupy(running);
        for reply in self.waiting.drain(..) {
            // Whoever asked may be gone.
            let _ = reply.send(Ok(notices.to_vec()));
        }
    }
}

/// The supervisor of a node.
pub(crate) struct SupervisorActor {
    parts: Arc<NodeParts>,
    links: Arc<PeerLinks>,
    verification: Verification,
    chains: BTreeMap<ChainId, Supervised>,
    slots: Arc<Slots>,
    /// The newest link.
    link: LinkNumber,
    down: watch::Sender<Reasons>,
    rebuilt: watch::Sender<Reasons>,
}

impl SupervisorActor {
    pub(crate) fn new(
        parts: Arc<NodeParts>,
        links: Arc<PeerLinks>,
        verification: Verification,
        slots: Arc<Slots>,
        chains: Vec<(ChainDefinition, ChainJournal)>,
    ) -> Self {
        let (down, rebuilt) = (watch::Sender::default(), watch::Sender::default());
        let (none, link) = (BTreeMap::new(), LinkNumber(0));
        let mut supervisor = Self { parts, links, verification, chains: none, slots, link, down, rebuilt };
        chains.into_iter().for_each(|(definition, journal)| supervisor.add(definition, journal));
        supervisor
    }

    fn add(&mut self, definition: ChainDefinition, journal: ChainJournal) {
        let chain_id = definition.chain_id.clone();
        let slot = Slot::empty(self.parts.door.clone());
        let home = self.slots.insert(chain_id.clone(), slot.clone());
        let supervised = Supervised {
            slot,
            journal,
            definition: Arc::new(definition),
            home,
            generation: 0,
            falls: VecDeque::new(),
            waiting: Vec::new(),
            last: None,
        };
        self.chains.insert(chain_id, supervised);
    }

    /// Stops a chain and forgets it; what others still say of it no longer counts.
    fn remove(&mut self, chain_id: &ChainId, reason: &str) -> Weak<ChainDefinition> {
        self.slots.remove(chain_id);
        self.down.send_modify(|down| drop(down.remove(chain_id)));
        self.rebuilt.send_modify(|rebuilt| drop(rebuilt.remove(chain_id)));
        let Some(chain) = self.chains.remove(chain_id) else { return Weak::new() };
        chain.slot.stop(reason, None);
        // Nothing that it still signs gets into the journal, and so nothing gets out.
        drop(chain.journal.take_over());
        chain.waiting.into_iter().for_each(|reply| drop(reply.send(Err(reason.to_owned()))));
        Arc::downgrade(&chain.definition)
    }

    pub(crate) fn watch_down(&self) -> watch::Receiver<Reasons> {
        self.down.subscribe()
    }

    pub(crate) fn watch_rebuilt(&self) -> watch::Receiver<Reasons> {
        self.rebuilt.subscribe()
    }

    /// Opens a chain elsewhere: it reads its whole log. A state that others do not have is compared with the
    /// one that the log leads to.
    fn open(&mut self, chain_id: &ChainId, suspect: Option<Arc<Suspect>>, ctx: &Context<Self>) {
        let (address, parts) = (ctx.address(), self.parts.clone());
        let Some(chain) = self.chains.get_mut(chain_id) else { return };
        chain.generation += 1;
        let (generation, definition, journal) =
            (chain.generation, chain.definition.clone(), chain.journal.clone());
        let name = format!("open-{}", definition.genesis.name);
        let opened = self.parts.platform.start_once(&name, move || {
            let result = guarded(|| open(&parts, &definition, &journal, suspect.as_deref())).map(Box::new);
            let chain = definition.chain_id.clone();
            address.do_send(SupervisorMessage::Opened { chain, generation, result });
        });
        if let Err(error) = opened {
            self.down(chain_id, &format!("no thread to open it: {error}"));
        }
    }

    fn run(&mut self, chain_id: &ChainId, opened: Opened, ctx: &Context<Self>) {
        let Opened {
            chain: OpenedChain { host, tip, feed, reader, notices },
            journal,
            recovered,
            memory,
            mark,
            altered,
            raft,
            snapshots,
            dir,
        } = opened;
        if let Some(altered) = altered {
            self.note_rebuilt(chain_id, &altered.to_string());
        }
        let Some(chain) = self.chains.get_mut(chain_id) else { return };
        let generation = chain.generation;
        let watch = || Watch::new(ctx.address(), chain_id.clone(), generation);
        let mut fallen = watch();
        let on_panic = move || fallen.fell("a task of the chain panicked".into());
        let lane = self.parts.executors.lane(host, on_panic);
        let (seed, validator) = (chain.definition.validator_seed, chain.definition.validator());
        // A Raft log begins with the first block.
        let keeps_log = chain.definition.genesis.consensus == CONSENSUS_RAFT;
        chain.last = Some(ChainStatus::at(&tip));
        let signer = seed.map(|seed| Signer::new(SigningKey::from_seed(&seed), mark));
        let view = GroupView::default();
        let platform = self.parts.platform.clone();
        let consensus = ConsensusParts {
            platform: platform.clone(),
            chain_id: tip.chain_id.clone(),
            signer,
            journal: journal.clone(),
            links: self.links.clone(),
            view: view.clone(),
            cache: self.verification.cache(),
            watch: watch(),
        };
        let home = &self.parts.homes[chain.home % self.parts.homes.len()];
        let capacities = home.capacities();
        let consensus = Group::start(home, consensus, raft, &tip);
        let parts = ChainParts {
            platform: platform.clone(),
            replica: Replica::new(tip, validator, Timeouts::default())
                .remembering(memory)
                .fetching_snapshots(self.parts.snapshots.begin && !keeps_log)
                .reporting(chain.definition.reporter.clone()),
            recovered,
            lane: lane.clone(),
            journal,
            index: self.parts.index_writer.clone(),
            consensus: consensus.clone(),
            links: self.links.clone(),
            peers: self.links.peers(),
            reader: reader.clone(),
            snapshots,
            dir,
            view: view.clone(),
            meter: chain.slot.meter(),
            watch: watch(),
        };
        let address = home.start(capacities.chain, move || ChainActor::new(parts));
        let reads_waiting_max = capacities.reads;
        let running =
            Running { platform, reads_waiting_max, chain: address, consensus, view, lane, feed, reader };
        chain.runs(running, &notices);
        self.down.send_modify(|down| drop(down.remove(chain_id)));
    }

    fn connect(&mut self, peer: Peer, end: WireEnd, ctx: &Context<Self>) {
        self.link.0 += 1;
        let home = &self.parts.homes[peer.0 as usize % self.parts.homes.len()];
        let parts = PeerLinkParts {
            lane_frames_max: home.capacities().lane,
            peer,
            end,
            slots: self.slots.clone(),
            links: self.links.clone(),
            verification: self.verification.clone(),
            watch: LinkWatch::new(ctx.address(), peer, self.link),
        };
        let link = home.start(home.capacities().peer_link, move || PeerLinkActor::new(parts));
        self.links.insert(peer, self.link, link);
        self.tell_chains(&Input::Connected(peer));
    }

    fn tell_chains(&self, input: &Input) {
        for running in self.chains.values().filter_map(|chain| chain.slot.running().ok()) {
            running.chain.do_send(ChainMessage::Replica(Box::new(input.clone())));
        }
    }

    /// The chain is down until somebody starts it.
    fn down(&mut self, chain_id: &ChainId, reason: &str) {
        let Some(chain) = self.chains.get_mut(chain_id) else { return };
        tracing::error!(chain = %chain_id, reason, "the chain is down");
        chain.generation += 1;
        chain.slot.stop(reason, chain.last.clone());
        self.down.send_modify(|down| drop(down.insert(chain_id.clone(), reason.to_owned())));
        for reply in chain.waiting.drain(..) {
            let _ = reply.send(Err(reason.to_owned()));
        }
    }

    /// Tells the operator why a chain was rebuilt; what led to it is kept.
    fn note_rebuilt(&mut self, chain_id: &ChainId, reason: &str) {
        tracing::error!(chain = %chain_id, reason, "the chain is rebuilt from its log");
        self.rebuilt.send_modify(|rebuilt| drop(rebuilt.insert(chain_id.clone(), reason.to_owned())));
    }

    fn fell(&mut self, chain_id: &ChainId, reason: &str, suspect: Option<Arc<Suspect>>, ctx: &Context<Self>) {
        if self.parts.journal.failure().is_some() || self.parts.guard.failure().is_some() {
            // The kernel may have dropped pages of all chains: none may go on, idle ones neither.
            let all: Vec<_> = self.chains.keys().cloned().collect();
            return all.iter().for_each(|chain_id| self.down(chain_id, reason));
        }
        let Some(chain) = self.chains.get_mut(chain_id) else { return };
        // Reports of the fallen generation that are still under way no longer count.
        chain.generation += 1;
        let now = self.parts.platform.now();
        chain.falls.retain(|fall| fall.plus_ms(60_000) > now);
        chain.falls.push_back(now);
        if chain.falls.len() > FALLS_PER_MINUTE_MAX {
            return self.down(chain_id, reason);
        }
        chain.slot.stop(reason, chain.last.clone());
        self.note_rebuilt(chain_id, reason);
        self.open(chain_id, suspect, ctx);
    }

    /// A snapshot is stored for a chain that has no block: it is opened again, and begins with it.
    fn restored(&mut self, chain_id: &ChainId, ctx: &Context<Self>) {
        let Some(chain) = self.chains.get_mut(chain_id) else { return };
        chain.generation += 1;
        chain.slot.stop("it is being rebuilt on a snapshot", chain.last.clone());
        self.open(chain_id, None, ctx);
    }

    /// Whether a report is of a chain's present life.
    fn is_present(&self, chain_id: &ChainId, generation: u64) -> bool {
        self.chains.get(chain_id).is_some_and(|chain| chain.generation == generation)
    }
}

/// A panic while a chain is opened keeps that chain down, and nobody waiting.
fn guarded<T>(open: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(open)).unwrap_or_else(|_| Err("opening the chain panicked".into()))
}

fn open(
    parts: &NodeParts,
    definition: &ChainDefinition,
    journal: &ChainJournal,
    suspect: Option<&Suspect>,
) -> Result<Opened, String> {
    let journal = journal.take_over();
    let keeps_log = definition.genesis.consensus == CONSENSUS_RAFT;
    if keeps_log {
        journal.hold();
    }
    // A chain that is restarted may have blocks and a checkpoint under way.
    parts.logs.flush();
    parts.index_writer.flush();
    let failed = |error: OpenChainError| error.to_string();
    let dir = parts.data.chain(definition.chain_id.as_str()).map_err(|error| error.to_string())?;
    // A group that has grown since is one in which others have the blocks; it is only not known to be.
    let alone = definition.genesis.validators.len() == 1 && definition.validator_seed.is_some();
    let others = if alone { Others::None } else { Others::Some };
    let disk = (&parts.platform, &*parts.index, &*parts.logs);
    let chain = open_chain(&definition.genesis, &definition.ledger, &dir, disk, others);
    let chain = chain.map_err(failed)?;
    let height = chain.tip.height;
    let altered = match suspect.map(|suspect| suspect.compare(chain.host.worker().state())) {
        Some(Finding::Altered(alterations)) => Some(alterations),
        Some(Finding::Same) => {
            return Err(format!(
                "others have another state after height {height}, and the blocks lead to this one again: this node lives \
                 by other rules than they do"
            ));
        }
        Some(Finding::NotCompared) | None => None,
    };
    let (memory, mark) = recall(parts, definition, &chain.tip)?;
    let alone = chain.tip.next_validators.validators().len() == 1;
    if let Some(decided) = journal.decided_beyond(height).filter(|_| alone) {
        return Err(format!(
            "the end of the block log is lost: it holds blocks up to height {height}, {decided} was decided, and no other \
             validator has the blocks between"
        ));
    }
    journal.opened(height).map_err(|refused| format!("journal: {}", refused.reason))?;
    let recovered = journal.recovered().map_err(|error| error.to_string())?;
    let log = || raft::recover(&journal, &definition.genesis, memory).map_err(|error| error.to_string());
    let raft = keeps_log.then(log).transpose()?;
    let taken = parts.data.snapshots(definition.chain_id.as_str());
    let anchor = Anchor::of(&definition.genesis).map_err(|error| error.to_string())?;
    let snapshots = ChainSnapshots::find(parts.snapshots, taken, &dir, &chain.reader, anchor);
    let snapshots = snapshots.map_err(|error| error.to_string())?;
    Ok(Opened { chain, journal, recovered, memory, mark, altered, raft, snapshots, dir })
}

impl Actor for SupervisorActor {
    /// Its mailbox is never full: it takes commands and completions of the node's own.
    type Context = Context<Self>;
}

impl Handler<SupervisorMessage> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, message: SupervisorMessage, ctx: &mut Self::Context) {
        match message {
            SupervisorMessage::Add { chain, reply } => {
                let (definition, journal) = *chain;
                self.add(definition, journal);
                let _ = reply.send(());
            }
            SupervisorMessage::Remove { chain, reason, reply } => {
                let _ = reply.send(self.remove(&chain, &reason));
            }
            SupervisorMessage::Start { chain, reply } => match self.chains.get_mut(&chain) {
                Some(supervised) => {
                    supervised.waiting.push(reply);
                    self.open(&chain, None, ctx);
                }
                None => drop(reply.send(Err(format!("{chain} does not run here")))),
            },
            SupervisorMessage::Stop { chain, reason, reply } => {
                if let Some(supervised) = self.chains.get_mut(&chain) {
                    supervised.generation += 1;
                    supervised.slot.stop(&reason, supervised.last.clone());
                }
                self.down.send_modify(|down| drop(down.remove(&chain)));
                let _ = reply.send(());
            }
            SupervisorMessage::Opened { chain, generation, result } => {
                if !self.is_present(&chain, generation) {
                    return;
                }
                match result {
                    Ok(opened) => self.run(&chain, *opened, ctx),
                    Err(reason) => self.down(&chain, &reason),
                }
            }
            SupervisorMessage::Fell { chain, generation, reason, suspect } => {
                if self.is_present(&chain, generation) {
                    self.fell(&chain, &reason, suspect, ctx);
                }
            }
            SupervisorMessage::Restored { chain, generation } => {
                if self.is_present(&chain, generation) {
                    self.restored(&chain, ctx);
                }
            }
            SupervisorMessage::Connect { peer, end } => self.connect(peer, end, ctx),
            SupervisorMessage::Disconnected(peer, number) => {
                // The end of a link that another one has replaced is no news.
                if self.links.remove(peer, number) {
                    self.tell_chains(&Input::Disconnected(peer));
                }
            }
            SupervisorMessage::LogFailed { chain, reason } => self.down(&chain, &reason),
            SupervisorMessage::ShutDown(done) => {
                for chain in self.chains.values_mut() {
                    chain.generation += 1;
                    chain.slot.stop("the node stops", chain.last.clone());
                }
                self.links.clear();
                ctx.stop();
                let _ = done.send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_while_a_chain_is_opened_is_a_reason() {
        assert_eq!(guarded(|| Ok(7)), Ok(7));
        assert_eq!(
            guarded::<u8>(|| panic!("expected by the test")),
            Err("opening the chain panicked".into())
        );
    }
}
