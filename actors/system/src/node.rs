//! Opening a node and what it counts.

use actix::Arbiter;
use catenary_consensus::{Mark, Peer};
use catenary_journal::{
    guard::Marked,
    journal::{ChainTag, Record, Report},
};
use catenary_links::{ChainClient, WireEnd};
use catenary_platform::Platform;
use catenary_replica::{note_losses, note_lost_logs};
use catenary_runtime::{
    Capacities, ChainDefinition, ChainJournal, ChainMailbox, Door, Executors, Home, IndexWriter, NodeParts,
    Reasons, SnapshotPolicy, Supervisor, chain_tag,
};
use catenary_store::{
    DataDir, FileError, KeyLocks, OpenError,
    block_log::{self, BlockLogWriter, Event},
    guard::{Found, Guard, GuardWriter},
    index::{Engine, Index, IndexError},
    journal::{self, JournalError, JournalWriter},
};
use catenary_types::{Address, ChainId, Height, genesis::CONSENSUS_RAFT};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};
use tokio::sync::watch;

/// What a node runs.
pub struct NodeConfig {
    /// Where it keeps everything.
    pub data: DataDir,
    /// Its chains.
    pub chains: Vec<ChainDefinition>,
    /// What its index is kept on.
    pub engine: Engine,
    /// What it runs on.
    pub platform: Platform,
    /// When snapshots of its chains are taken.
    pub snapshots: SnapshotPolicy,
    /// Executor threads; one per core.
    pub executors: usize,
    /// How much may wait for its actors.
    pub capacities: Capacities,
    /// Threads for actors; without any they run on the thread that opens the node, among its local tasks.
    pub arbiters: usize,
}

impl NodeConfig {
    /// These chains on the threads and the clock of this machine: as many of each kind of thread as it has cores.
    pub fn on_this_machine(data: DataDir, chains: Vec<ChainDefinition>) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            data,
            chains,
            engine: Engine::default(),
            platform: Platform::default(),
            snapshots: SnapshotPolicy::default(),
            executors: cores,
            capacities: Capacities::default(),
            arbiters: cores,
        }
    }
}

/// Why a node does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenNodeError {
    /// Another node of this machine signs with the same key.
    #[error("the key of validator {validator} of {chain_id} is in use by another node")]
    KeyInUse {
        /// The chain.
        chain_id: ChainId,
        /// Address of the key.
        validator: Address,
    },
    /// The guard cannot be opened.
    #[error("guard: {0}")]
    Guard(OpenError),
    /// The journal cannot be opened.
    #[error("journal: {0}")]
    Journal(OpenError),
    /// A thread cannot be started, or a file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The index cannot be used, even after it was made anew.
    #[error("index: {0}")]
    Index(#[from] IndexError),
    /// A thread cannot be started.
    #[error("thread: {0}")]
    Thread(#[from] std::io::Error),
}

impl OpenNodeError {
    /// Whether freeing space on the disk would help.
    pub fn is_disk_full(&self) -> bool {
        let file = match self {
            Self::Guard(OpenError::File(error))
            | Self::Journal(OpenError::File(error))
            | Self::File(error)
            | Self::Index(IndexError::File(error)) => error,
            Self::KeyInUse { .. } | Self::Guard(_) | Self::Journal(_) | Self::Index(_) | Self::Thread(_) => {
                return false;
            }
        };
        file.is_disk_full()
    }
}

/// What a node has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeStats {
    /// Flushes of journal and block logs.
    pub fsyncs: u64,
    /// Bytes written to the journal.
    pub journal_bytes: u64,
    /// Bytes written to block logs.
    pub block_log_bytes: u64,
    /// Blocks written to block logs.
    pub blocks: u64,
    /// Messages sent to other nodes.
    pub messages_sent: u64,
    /// Messages from and to other nodes that were dropped because a queue was full.
    pub messages_dropped: u64,
    /// Checkpoints written to the index.
    pub checkpoints: u64,
}

impl NodeStats {
    /// What two nodes have done together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.zip(other, |one, other| one + other)
    }

    /// What was done since an earlier reading.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        self.zip(before, |now, before| now - before)
    }

    fn zip(self, other: Self, with: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            fsyncs: with(self.fsyncs, other.fsyncs),
            journal_bytes: with(self.journal_bytes, other.journal_bytes),
            block_log_bytes: with(self.block_log_bytes, other.block_log_bytes),
            blocks: with(self.blocks, other.blocks),
            messages_sent: with(self.messages_sent, other.messages_sent),
            messages_dropped: with(self.messages_dropped, other.messages_dropped),
            checkpoints: with(self.checkpoints, other.checkpoints),
        }
    }
}

/// A running node. Dropping it flushes what is queued and has the actors stop; [`Node::stop`] waits until they have.
pub struct Node {
    supervisor: Supervisor,
    journal: JournalWriter,
    guard: GuardWriter,
    logs: Arc<BlockLogWriter>,
    index: IndexWriter,
    arbiters: Vec<Arbiter>,
    homes: Vec<Home>,
    door: Door,
    /// Held as long as the node may sign.
    pub(crate) keys: KeyLocks,
    pub(crate) hosted: Hosted,
    pub(crate) parts: Arc<NodeParts>,
}

/// The chains that a node has charge of.
#[derive(Clone, Default)]
pub(crate) struct Hosted(Arc<RwLock<BTreeMap<ChainTag, HostedChain>>>);

/// A chain that a node has charge of.
#[derive(Clone)]
pub(crate) struct HostedChain {
    pub(crate) chain_id: ChainId,
    /// Whose key is in use here.
    pub(crate) validator: Option<Address>,
    pub(crate) journal: ChainJournal,
}

impl Hosted {
    pub(crate) fn insert(&self, definition: &ChainDefinition, journal: ChainJournal) {
        let (chain_id, validator) = (definition.chain_id.clone(), definition.validator());
        let mut chains = self.0.write().unwrap_or_else(PoisonError::into_inner);
        chains.insert(chain_tag(&chain_id), HostedChain { chain_id, validator, journal });
    }

    pub(crate) fn remove(&self, chain: ChainTag) -> Option<HostedChain> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&chain)
    }

    fn get(&self, chain: ChainTag) -> Option<HostedChain> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&chain).cloned()
    }
}

impl Node {
    /// Opens the folder, notes of new keys that they have signed nothing, and takes charge of the chains. None runs before
    /// [`Self::start`]. Returns what the operator should know.
    pub fn open(config: NodeConfig) -> Result<(Self, Vec<String>), OpenNodeError> {
        let mut notices = Vec::new();
        let platform = config.platform;
        let keys = KeyLocks::new(&platform.shared_folder())?;
        config.chains.iter().try_for_each(|chain| take_key(&keys, chain))?;
        let journal_existed = has_files(&config.data.journal());
        let (writer, mut records, report, guard, found) =
            open_votes(&platform, &config.data, &config.chains, journal_existed)?;
        let new = config.chains.iter().filter(|chain| chain.is_new);
        note_unless_known(&guard.guard(), new.map(|chain| &chain.chain_id), Mark::nothing())?;
        if !report.is_clean() || report.torn.is_some() {
            notices.push(format!("journal: {report}"));
        }
        let journal = writer.journal();
        let chains: Vec<_> = config
            .chains
            .into_iter()
            .map(|definition| {
                let tag = chain_tag(&definition.chain_id);
                let own = records.extract_if(.., |record| record.chain == tag).collect();
                let journal = ChainJournal::new(journal.clone(), guard.guard(), &definition.chain_id, own);
                (definition, journal)
            })
            .collect();
        let supervisor_slot = Arc::new(OnceLock::new());
        let hosted = Hosted::default();
        chains.iter().for_each(|(definition, journal)| hosted.insert(definition, journal.clone()));
        let logs = Arc::new(start_logs(&platform, hosted.clone(), supervisor_slot.clone())?);
        let (index, damage) = Index::open_or_recreate(&config.data.index(), config.engine)?;
        if let Some(damage) = damage {
            notices.push(format!("{damage}; rebuilding it from the block logs"));
        }
        let arbiters: Vec<_> = (0..config.arbiters).map(|_| Arbiter::new()).collect();
        let homes = homes(&platform, config.capacities, &arbiters);
        let index_writer = IndexWriter::start(&platform)?;
        let door = Door::default();
        let parts = Arc::new(NodeParts {
            platform: platform.clone(),
            data: config.data,
            journal,
            report,
            journal_existed,
            guard: guard.guard(),
            guard_whole: found.complete,
            logs: logs.clone(),
            index: Arc::new(index),
            index_writer: index_writer.clone(),
            snapshots: config.snapshots,
            executors: Arc::new(Executors::start(&platform, config.executors)?),
            homes: homes.clone(),
            door: door.clone(),
        });
        let supervisor = Supervisor::new(parts.clone(), chains)?;
        supervisor_slot.get_or_init(|| supervisor.clone());
        let node = Self {
            supervisor,
            journal: writer,
            guard,
            logs,
            index: index_writer,
            arbiters,
            homes,
            door,
            keys,
            hosted,
            parts,
        };
        Ok((node, notices))
    }

    /// Starts every chain. One that does not start takes no other with it: it is in [`Self::down`], with the reason.
    /// Returns what the operator should know of the others.
    pub async fn start(&self) -> Vec<String> {
        let chains = self.chains();
        let starts = chains.iter().map(|chain| self.supervisor.start(chain.chain_id()));
        futures::future::join_all(starts).await.into_iter().flatten().flatten().collect()
    }

    /// The chains that are down although nobody stopped them, each with the reason.
    pub fn down(&self) -> watch::Receiver<Reasons> {
        self.supervisor.down()
    }

    /// The chains that fell and were rebuilt from their logs, each with the last reason.
    pub fn rebuilt(&self) -> watch::Receiver<Reasons> {
        self.supervisor.rebuilt()
    }

    /// Why the node can do nothing more, if it cannot: its journal failed, and with it every chain.
    pub fn failure(&self) -> Option<JournalError> {
        let guard = self.guard.guard().failure().map(JournalError::File);
        self.journal.journal().failure().or(guard)
    }

    /// Whether the node takes submissions.
    pub fn door(&self) -> &Door {
        &self.door
    }

    /// The chains, in the order of the configuration and then of [`Self::add`].
    pub fn chains(&self) -> Vec<ChainMailbox> {
        self.supervisor.chains()
    }

    /// Starts and stops single chains.
    pub fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// The chains as clients reach them, in the same order.
    pub fn clients(&self) -> Vec<Arc<dyn ChainClient>> {
        let client = |chain: &ChainMailbox| Arc::new(chain.clone()) as Arc<dyn ChainClient>;
        self.chains().iter().map(client).collect()
    }

    /// Connects the node with another one, until either side drops its end.
    pub fn connect(&self, peer: Peer, end: WireEnd) {
        self.supervisor.connect(peer, end);
    }

    /// A place for a further actor.
    pub fn home(&self, number: usize) -> &Home {
        &self.homes[number % self.homes.len()]
    }

    /// Stops the node: when this returns nothing is signed, sent or written any more.
    pub async fn stop(mut self) {
        self.supervisor.shut_down().await;
        for arbiter in std::mem::take(&mut self.arbiters) {
            arbiter.stop();
            // Its handlers never wait for anything, so it ends at once.
            let _ = arbiter.join();
        }
    }

    /// What the node has done.
    pub fn stats(&self) -> NodeStats {
        let (journal, logs) = (self.journal.journal().stats(), self.logs.stats());
        let links = self.supervisor.link_stats();
        NodeStats {
            fsyncs: journal.fsyncs + logs.fsyncs + self.guard.guard().fsyncs(),
            journal_bytes: journal.bytes,
            block_log_bytes: logs.bytes,
            blocks: logs.blocks,
            messages_sent: links.sent,
            messages_dropped: links.dropped,
            checkpoints: self.index.written(),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.logs.flush();
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
    }
}

/// Takes the key with which a chain's blocks are signed here, if there is one.
pub(crate) fn take_key(keys: &KeyLocks, chain: &ChainDefinition) -> Result<(), OpenNodeError> {
    let Some(validator) = chain.validator() else { return Ok(()) };
    if keys.take(&key_name(&chain.chain_id, validator))? {
        return Ok(());
    }
    Err(OpenNodeError::KeyInUse { chain_id: chain.chain_id.clone(), validator })
}

/// What a key is called among those in use.
pub(crate) fn key_name(chain_id: &ChainId, validator: Address) -> String {
    format!("{chain_id}/{validator}")
}

/// Where actors run: one place for each arbiter, or this thread.
fn homes(platform: &Platform, capacities: Capacities, arbiters: &[Arbiter]) -> Vec<Home> {
    if arbiters.is_empty() {
        return vec![Home::here(platform.clone(), capacities)];
    }
    let home = |arbiter: &Arbiter| Home::on(platform.clone(), capacities, arbiter.handle());
    arbiters.iter().map(home).collect()
}

/// Opens both copies of the votes. What was lost of both is noted in the guard before the journal is begun anew.
fn open_votes(
    platform: &Platform,
    data: &DataDir,
    chains: &[ChainDefinition],
    journal_existed: bool,
) -> Result<(JournalWriter, Vec<Record>, Report, GuardWriter, Found), OpenNodeError> {
    let known = known_chains(data, chains)?;
    let keeps_log = |chain: &&ChainDefinition| !chain.is_new && chain.genesis.consensus == CONSENSUS_RAFT;
    let logs = chains.iter().filter(keeps_log).map(|chain| chain_tag(&chain.chain_id));
    let open_guard = |report: &Report, journal_end| {
        GuardWriter::open_on(platform, &data.guard(), journal_end, |found| {
            let whole = |chain| journal_existed && !report.is_suspect(chain, 0);
            note_losses(&mut found.marks, found.complete, known, whole);
            note_lost_logs(&mut found.marks, logs, whole);
        })
    };
    let opened = JournalWriter::open_after(platform, &data.journal(), journal::Config::default(), open_guard);
    let (writer, records, report, guard) = opened.map_err(OpenNodeError::Journal)?;
    let (guard, found) = guard.map_err(OpenNodeError::Guard)?;
    Ok((writer, records, report, guard, found))
}

/// The chains that are older than this run, whether or not the folder still shows it: their guard has something to
/// remember.
fn known_chains(data: &DataDir, chains: &[ChainDefinition]) -> Result<BTreeSet<ChainTag>, FileError> {
    let new: BTreeSet<_> =
        chains.iter().filter(|chain| chain.is_new).map(|chain| chain_tag(&chain.chain_id)).collect();
    let configured = chains.iter().map(|chain| chain_tag(&chain.chain_id));
    let stored = data.chain_ids()?;
    let all = stored.iter().map(|id| ChainTag::of(id)).chain(configured);
    Ok(all.filter(|tag| !new.contains(tag)).collect())
}

/// Notes of chains that the guard does not know what was signed on them, and waits until that is on the disk. Of a key that was
/// just made it is [`Mark::nothing`]: from now on a guard that knows nothing of the chain has lost something. May wait, so it
/// is not for actors.
pub(crate) fn note_unless_known<'a>(
    guard: &Guard,
    chains: impl IntoIterator<Item = &'a ChainId>,
    mark: Mark,
) -> Result<(), FileError> {
    let unknown = chains.into_iter().map(chain_tag).filter(|tag| guard.newest(*tag).is_none());
    let marked = Marked { mark: mark.encode(), batch: 0 };
    guard.raise_and_wait(unknown.map(|tag| (tag, marked)))
}

fn has_files(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

/// Trims the journal behind the block logs, and reports a log that fails.
fn start_logs(
    platform: &Platform,
    hosted: Hosted,
    supervisor: Arc<OnceLock<Supervisor>>,
) -> Result<BlockLogWriter, FileError> {
    BlockLogWriter::start_on(platform, block_log::Config::default(), move |event| match event {
        Event::Flushed { chain, height } => {
            if let Some(hosted) = hosted.get(chain) {
                hosted.journal.trim(Height(height));
            }
        }
        Event::Failed { chain, error } => {
            if let (Some(hosted), Some(supervisor)) = (hosted.get(chain), supervisor.get()) {
                supervisor.log_failed(hosted.chain_id, error.to_string());
            }
        }
    })
}
