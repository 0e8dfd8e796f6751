//! Opening a node and what it counts.

use actix::Arbiter;
use catenary_consensus::{Mark, Peer};
use catenary_crypto::SigningKey;
use catenary_journal::{
    guard::Marked,
    journal::{ChainTag, Record, Report},
};
use catenary_links::{ChainClient, WireEnd};
use catenary_platform::Platform;
use catenary_replica::note_losses;
use catenary_runtime::{
    Capacities, ChainDefinition, ChainJournal, ChainMailbox, Executors, Home, IndexWriter, NodeParts,
    Reasons, SnapshotPolicy, Supervisor, chain_tag,
};
use catenary_store::{
    DataDir, FileError, KeyLocks, OpenError,
    block_log::{self, BlockLogWriter, Event},
    guard::{Found, Guard, GuardWriter},
    index::{Engine, Index, IndexError},
    journal::{self, JournalError, JournalWriter},
};
use catenary_types::{Address, ChainId, Height};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, OnceLock},
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

/// What a node has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeStats {
    /// Flushes of journal and block logs.
    pub fsyncs: u64,
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
    /// Held as long as the node may sign.
    _keys: KeyLocks,
}

impl Node {
    /// Opens the folder, notes of new keys that they have signed nothing, and takes charge of the chains. None runs before
    /// [`Self::start`]. Returns what the operator should know.
    pub fn open(config: NodeConfig) -> Result<(Self, Vec<String>), OpenNodeError> {
        let mut notices = Vec::new();
        let platform = config.platform;
        let keys = take_keys(&platform, &config.chains)?;
        let journal_existed = has_files(&config.data.journal());
        let (writer, mut records, report, guard, found) =
            open_votes(&platform, &config.data, &config.chains, journal_existed)?;
        create_marks(&guard.guard(), &config.chains)?;
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
        let logs = Arc::new(start_logs(&platform, &chains, supervisor_slot.clone())?);
        let (index, damage) = Index::open_or_recreate(&config.data.index(), config.engine)?;
        if let Some(damage) = damage {
            notices.push(format!("{damage}; rebuilding it from the block logs"));
        }
        let arbiters: Vec<_> = (0..config.arbiters).map(|_| Arbiter::new()).collect();
        let homes = homes(&platform, config.capacities, &arbiters);
        let index_writer = IndexWriter::start(&platform)?;
        let parts = NodeParts {
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
        };
        let supervisor = Supervisor::new(parts, chains)?;
        supervisor_slot.get_or_init(|| supervisor.clone());
        let node = Self {
            supervisor,
            journal: writer,
            guard,
            logs,
            index: index_writer,
            arbiters,
            homes,
            _keys: keys,
        };
        Ok((node, notices))
    }

    /// Starts every chain. One that does not start takes no other with it: it is in [`Self::down`], with the reason.
    /// Returns what the operator should know of the others.
    pub async fn start(&self) -> Vec<String> {
        let starts = (0..self.chains().len()).map(|number| self.supervisor.start(number));
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

    /// The chains, in the order of the configuration.
    pub fn chains(&self) -> &[ChainMailbox] {
        self.supervisor.chains()
    }

    /// Starts and stops single chains.
    pub fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// The chains as clients reach them, in the order of the configuration.
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

fn take_keys(platform: &Platform, chains: &[ChainDefinition]) -> Result<KeyLocks, OpenNodeError> {
    let keys = KeyLocks::new(&platform.shared_folder())?;
    for ChainDefinition { chain_id, validator_seed, .. } in chains {
        let Some(seed) = validator_seed else { continue };
        let validator = Address::of(&SigningKey::from_seed(seed).public_key());
        if !keys.take(&format!("{chain_id}/{validator}"))? {
            return Err(OpenNodeError::KeyInUse { chain_id: chain_id.clone(), validator });
        }
    }
    Ok(keys)
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
    let open_guard = |report: &Report, journal_end| {
        GuardWriter::open_on(platform, &data.guard(), journal_end, |found| {
            let whole = |chain| journal_existed && !report.is_suspect(chain, 0);
            note_losses(&mut found.marks, found.complete, known, whole);
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

/// Notes of keys that were just made that they have signed nothing, and waits until that is on the disk: from now on a guard
/// that knows nothing of them has lost something.
fn create_marks(guard: &Guard, chains: &[ChainDefinition]) -> Result<(), FileError> {
    let tags = chains.iter().filter(|chain| chain.is_new).map(|chain| chain_tag(&chain.chain_id));
    let unknown = tags.filter(|tag| guard.newest(*tag).is_none());
    let nothing = Marked { mark: Mark::nothing().encode(), batch: 0 };
    guard.raise_and_wait(unknown.map(|tag| (tag, nothing)))
}

fn has_files(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

/// Trims the journal behind the block logs, and reports a log that fails.
fn start_logs(
    platform: &Platform,
    chains: &[(ChainDefinition, ChainJournal)],
    supervisor: Arc<OnceLock<Supervisor>>,
) -> Result<BlockLogWriter, FileError> {
    let journals = chains
        .iter()
        .enumerate()
        .map(|(number, (definition, journal))| (chain_tag(&definition.chain_id), (number, journal.clone())));
    let journals: BTreeMap<_, _> = journals.collect();
    BlockLogWriter::start_on(platform, block_log::Config::default(), move |event| match event {
        Event::Flushed { chain, height } => {
            if let Some((_, journal)) = journals.get(&chain) {
                journal.trim(Height(height));
            }
        }
        Event::Failed { chain, error } => {
            if let (Some((number, _)), Some(supervisor)) = (journals.get(&chain), supervisor.get()) {
                supervisor.log_failed(*number, error.to_string());
            }
        }
    })
}
