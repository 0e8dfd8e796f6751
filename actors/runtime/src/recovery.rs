//! Bringing a chain back: checkpoint, then block log, then journal.
//!
//! The block log is the truth. A checkpoint only shortens the way: it is taken if its root is the one that a header of the
//! log names, and thrown away otherwise. Every block after it is executed again and must lead to the header after it.

use crate::{
    book::{Book, Meta, Replay, key},
    feed::Feed,
    host::Host,
    journal::chain_tag,
    reader::Reader,
    repair,
    snapshot::{SnapshotFileError, SnapshotFolder},
};
use catenary_crypto::empty_root;
use catenary_journal::block_log::{Entry, Identity, InvalidChainId};
use catenary_ledger::{GenesisError, Ledger, ReplayChange, ReplayWindow, State, records::ReadRecords};
use catenary_platform::Platform;
use catenary_relay::gateway::GatewayError;
use catenary_replica::{Anchor, RecoveryError, Tip, Worker};
use catenary_state::{Batch, StoreName};
use catenary_store::{
    ChainDir, FileError, OpenDirError, OpenError, SetAside,
    block_log::{BlockLogWriter, ReadError},
    index::{Index, IndexError},
};
use catenary_types::{
    AccountId, Block, Certificate, ChainId, FormatError, Genesis, Height, Message, Receipt, RequestId, TxId,
    ValidatorSet,
};
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// Why a chain does not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenChainError {
    /// The genesis document starts no chain.
    #[error("genesis: {0}")]
    Genesis(#[from] GenesisError),
    /// The chain's id is no folder name.
    #[error(transparent)]
    ChainId(#[from] InvalidChainId),
    /// The folder belongs to another genesis, or cannot be used.
    #[error(transparent)]
    Dir(#[from] OpenDirError),
    /// The block log cannot be opened.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// The block log is damaged. It is left as it is; nothing of it is served.
    #[error("block log of {chain_id} is damaged: {detail}")]
    LogDamaged {
        /// The chain.
        chain_id: ChainId,
        /// Where, and how.
        detail: String,
    },
    /// A damaged block log cannot be begun anew.
    #[error("the damaged block log cannot be begun anew: {0}")]
    Repair(String),
    /// A block of the log does not read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A block of the log is no block of this chain.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// Stored bytes do not decode although their checksum is right: another version wrote them.
    #[error("stored data does not decode: {0}")]
    Decode(String),
    /// The snapshot that the block log goes on from cannot be used.
    #[error(
        "the chain begins with a snapshot that cannot be used: {0}. Empty the folder of the chain and restore another, or \
         let the node fetch one"
    )]
    Base(#[from] SnapshotFileError),
    /// A validator set is malformed.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The index cannot be used, even after it was made anew.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A chain that was opened, ready to go on from its tip.
pub struct OpenedChain {
    /// For the executor lane.
    pub host: Host,
    /// The newest final block.
    pub tip: Tip,
    /// Final blocks for subscribers.
    pub feed: Arc<Feed>,
    /// Reads of final blocks.
    pub reader: Reader,
    /// What the operator should know.
    pub notices: Vec<String>,
}

/// Whether there are other nodes with the chain's blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// There are.
    Some,
    /// This node alone keeps the chain.
    None,
}

/// Where the transactions of the replay window are.
pub(crate) type Recent = BTreeMap<(AccountId, RequestId), (TxId, Height)>;

/// What a checkpoint gives a recovery to start from.
pub(crate) struct Start {
    state: State,
    tip: Tip,
    recent: Recent,
}

/// What a checkpoint holds, before it is compared with a header.
pub(crate) struct Checkpointed {
    pub(crate) height: Height,
    pub(crate) state: State,
    pub(crate) recent: Recent,
}

/// Opens a chain, or starts it from its genesis if the folder is new. If others have its blocks a damaged log is begun
/// anew.
pub fn open_chain(
    genesis: &Genesis,
    ledger: &Ledger,
    dir: &ChainDir,
    (platform, index, logs): (&Platform, &Index, &BlockLogWriter),
    others: Others,
) -> Result<OpenedChain, OpenChainError> {
    let chain_id = genesis.chain_id().map_err(GenesisError::from)?;
    let mut notices = Vec::new();
    notices.extend(repair::store_genesis(dir, &chain_id, genesis)?);
    let base = base_of(genesis, dir)?;
    let identity = identity_of(genesis, base.as_ref())?;
    let (mut log, mut report) = logs.open(&dir.blocks(), identity.clone())?;
    if !report.damage.is_empty() {
        let detail = report.to_string();
        if others == Others::None {
            return Err(OpenChainError::LogDamaged { chain_id, detail });
        }
        let first_lost = report.damage.iter().map(|damage| damage.first).min().unwrap_or(u64::MAX);
        let aside = repair::begin_anew(logs, dir, &identity, (log, first_lost), SetAside::Damaged)?;
        notices.push(format!("{chain_id}: {detail}; it is kept as {aside}, and the others have the blocks"));
        (log, report) = logs.open(&dir.blocks(), identity)?;
    }
    if report.torn.is_some() {
        notices.push(format!("{chain_id}: {report}"));
    }
    let tag = chain_tag(&chain_id);
    let space = match index.space(tag) {
        Ok(space) => space,
        Err(error) => {
            notices.push(format!("{chain_id}: {error}; rebuilding it from the block log"));
            index.delete_space(tag)?;
            index.space(tag)?
        }
    };
    let base_height = base.as_ref().map_or(Height(0), SnapshotFolder::height);
    let mut book = Book::new(space, base_height);
    let mut reader = Reader::new(book.clone(), log.clone());
    let restored = match from_checkpoint(&chain_id, &book, &reader, base.as_ref()) {
        Ok(start) => start,
        Err(reason) => {
            notices.push(format!("{chain_id}: checkpoint not used: {reason}; replaying the block log"));
            index.delete_space(tag)?;
            book = Book::new(index.space(tag)?, base_height);
            reader = Reader::new(book.clone(), log.clone());
            None
        }
    };
    let mut worker = begin(genesis, ledger, restored, base.as_ref())?;
    let checkpointed = worker.tip().height;
    for entry in log.iter(worker.tip().height.0 + 1) {
        let (block, certificate) = decode(&entry?)?;
        let executed = worker.replay(block, certificate)?;
        book.enter(&executed).map_err(OpenChainError::Decode)?;
    }
    let tip = worker.tip().clone();
    let feed = Feed::new(platform.clone(), tip.height, reader.clone());
    let host = Host::new(worker, book, log, feed.clone(), checkpointed);
    Ok(OpenedChain { host, tip, feed, reader, notices })
}

/// A block of a log and its certificate.
pub(crate) fn decode(entry: &Entry) -> Result<(Block, Certificate), OpenChainError> {
    let failed = |reason: String| OpenChainError::Decode(format!("block {}: {reason}", entry.height));
    let block = Block::decode(&entry.block).map_err(|error| failed(error.to_string()))?;
    let certificate = Certificate::decode(&entry.certificate).map_err(|error| failed(error.to_string()))?;
    Ok((block, certificate))
}

/// A worker on the checkpoint, else on what the block log goes on from: a snapshot, or the genesis.
pub(crate) fn begin(
    genesis: &Genesis,
    ledger: &Ledger,
    restored: Option<Start>,
    base: Option<&SnapshotFolder>,
) -> Result<Worker, OpenChainError> {
    let ledger = ledger.clone();
    if let Some(Start { state, tip, recent }) = restored {
        return Ok(Worker::new(ledger, state, tip, recent));
    }
    if let Some(base) = base {
        let (state, tip) = base.open()?;
        return Ok(Worker::on_snapshot(ledger, state, tip));
    }
    let state = ledger.genesis(genesis)?;
    let chain_id = genesis.chain_id().map_err(GenesisError::from)?;
    let tip = Tip::genesis(genesis, chain_id, &state)?;
    Ok(Worker::new(ledger, state, tip, BTreeMap::new()))
}

/// The snapshot that a chain's block log goes on from, if it does not begin with the genesis.
pub fn base_of(genesis: &Genesis, dir: &ChainDir) -> Result<Option<SnapshotFolder>, OpenChainError> {
    Ok(SnapshotFolder::find(&dir.base(), &Anchor::of(genesis)?, None)?)
}

/// Whose log it is, and where it begins.
pub fn identity_of(genesis: &Genesis, base: Option<&SnapshotFolder>) -> Result<Identity, OpenChainError> {
    let chain_id = genesis.chain_id().map_err(GenesisError::from)?;
    let identity = Identity::new(chain_id.as_str(), genesis.hash())?;
    Ok(match base {
        None => identity,
        Some(base) => identity.beginning_after(base.height().0, base.manifest().at.certificate.block),
    })
}

/// The state of the checkpoint, if there is one; an error says why the one that is there cannot be used.
fn from_checkpoint(
    chain_id: &ChainId,
    book: &Book,
    reader: &Reader,
    base: Option<&SnapshotFolder>,
) -> Result<Option<Start>, String> {
    let Some(Checkpointed { height, state, recent }) = checkpointed(book, reader)? else { return Ok(None) };
    let tip = tip_at(chain_id, height, &state, (reader, base))?;
    Ok(Some(Start { state, tip, recent }))
}

/// What the checkpoint of an index holds, if there is one; the log must reach up to it.
pub(crate) fn checkpointed(book: &Book, reader: &Reader) -> Result<Option<Checkpointed>, String> {
    let Some(Meta { height, .. }) = book.record(key::META)? else { return Ok(None) };
    let mut content = BTreeMap::<StoreName, Batch>::new();
    for (store, kind) in State::STORES {
        if kind.tree().is_none() {
            continue;
        }
        let prefix = key::state_prefix(store);
        for entry in book.space().scan(&prefix) {
            let (key, value) = entry.map_err(|error| error.to_string())?;
            content.entry(store).or_default().insert(key[prefix.len()..].to_vec(), Some(value));
        }
    }
    let (replay, recent) = replay_window(book)?;
    let block = reader.logged(height).map_err(|error| error.to_string())?;
    let (block, _) = block.ok_or_else(|| missing(height))?;
    let restore = if block.envelopes.is_empty() { State::restore_sealed } else { State::restore };
    // What apps wrote is well-formed, and asserted to be; what an index holds need not be what they wrote.
    let state = catch_unwind(AssertUnwindSafe(|| restore(height, content, replay)));
    let state = state.map_err(|_| "its content makes no state".to_owned())?;
    Ok(Some(Checkpointed { height, state, recent }))
}

fn replay_window(book: &Book) -> Result<(ReplayWindow, Recent), String> {
    let mut change = ReplayChange::default();
    let mut recent = Recent::new();
    for entry in book.space().scan(key::REPLAY) {
        let (key, value) = entry.map_err(|error| error.to_string())?;
        let minute = key::minute(&key);
        let replay = Replay::decode(&value).map_err(|error| error.to_string())?;
        let id = (replay.sender, replay.request_id);
        change.entered.push((minute.ok_or("a replay key is malformed")?, id));
        recent.insert(id, (replay.tx_id, replay.height));
    }
    let mut window = ReplayWindow::default();
    window.apply(&change);
    Ok((window, recent))
}

fn missing(height: Height) -> String {
    format!("the block log ends before height {height}")
}

/// The tip of a checkpoint, after comparing the state's root with the header that names it.
fn tip_at(
    chain_id: &ChainId,
    height: Height,
    state: &State,
    (reader, base): (&Reader, Option<&SnapshotFolder>),
) -> Result<Tip, String> {
    let text = |error: GatewayError| error.to_string();
    let view = reader.block(height).map_err(text)?.ok_or_else(|| missing(height))?;
    let next = reader.logged(height.next()).map_err(text)?;
    let empty = view.block.envelopes.is_empty();
    let header = &view.block.header;
    let named = match &next {
        Some((next, _)) => next.header.app_hash,
        None if empty => header.app_hash,
        None => return Err(format!("no header names the state after height {height} yet")),
    };
    if named != state.app_hash() {
        return Err(format!("its root is {}, the header says {named}", state.app_hash()));
    }
    let results_hash = if empty { empty_root() } else { Receipt::results_hash(&view.receipts) };
    let before = height.previous().filter(|before| *before != Height(0));
    let time_before = match before {
        Some(before) if base.is_some_and(|base| base.height() == before) => {
            base.map(|base| base.manifest().at.header.time).unwrap_or_default()
        }
        Some(before) => reader.logged(before).map_err(text)?.ok_or_else(|| missing(before))?.0.header.time,
        // The genesis time; only its interval matters, and not before height 3.
        None => header.time,
    };
    let after_next = ValidatorSet::new(state.validators()).map_err(|error| error.to_string())?;
    let next_validators = reader.validators(&header.next_validators_hash).map_err(text)?;
    Ok(Tip {
        chain_id: chain_id.clone(),
        height,
        time: header.time,
        time_before,
        block: Some(catenary_replica::TipBlock {
            hash: header.hash(),
            certificate: view.certificate,
            proposer: header.proposer,
        }),
        empty,
        validators: Arc::new(view.validators),
        next_validators: Arc::new(next_validators),
        after_next_validators: Arc::new(after_next),
        parameters: state.parameters(),
        app_hash: state.app_hash(),
        results_hash,
    })
}
