//! Whether everything that a folder holds of a chain is what its genesis and its blocks lead to.

use crate::{
    book::{Book, Entries, Meta, Place, Transfer, entries_of, key},
    journal::chain_tag,
    reader::Reader,
    recovery::{Checkpointed, OpenChainError, base_of, begin, checkpointed, decode, identity_of},
    suspect::{Finding, Suspect},
};
use catenary_crypto::Hash;
use catenary_ledger::Ledger;
use catenary_replica::{Executed, Worker};
use catenary_store::{
    ChainDir,
    block_log::BlockLog,
    index::{Index, Space},
};
use catenary_types::{Genesis, Height, Message};

/// What is wrong with one part of a chain's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which part.
    pub part: Part,
    /// What is wrong with it.
    pub detail: String,
}

/// A part of a chain's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Every block with its certificate.
    Blocks,
    /// What is rebuilt from the blocks.
    Index,
}

/// How far the index of a chain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexState {
    /// It holds nothing of this chain.
    Empty,
    /// It holds what follows from the blocks up to this height.
    At(Height),
    /// It is at this height, and the blocks up to there do not all read, so that it was not compared.
    NotCompared(Height),
    /// It holds a height that the block log lost in a crash; a start replays the log.
    Ahead(Height),
    /// It is damaged.
    Damaged,
}

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedChain {
    /// The newest block that follows from the genesis.
    pub height: Height,
    /// Root of the state after it.
    pub app_hash: Hash,
    /// The index.
    pub index: IndexState,
    /// What a crash tore off the end of the block log; a start cuts it off.
    pub torn: Option<String>,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

/// Verifies a chain: the log's checksums and hash chain, every certificate against the set of its height, every block by
/// executing it, every root; and of the index all checksums, the state of its checkpoint and everything that blocks entered.
/// `index` is none if there is none, or if it does not open.
pub fn verify_chain(
    genesis: &Genesis,
    ledger: &Ledger,
    dir: &ChainDir,
    index: Option<&Index>,
) -> Result<VerifiedChain, OpenChainError> {
    let base = base_of(genesis, dir)?;
    let mut worker = begin(genesis, ledger, None, base.as_ref())?;
    let (chain_id, base_height) = (worker.tip().chain_id.clone(), worker.tip().height);
    let identity = identity_of(genesis, base.as_ref())?;
    let (log, report) = BlockLog::read_only(&dir.blocks(), identity)?;
    let torn = report.torn.map(|_| report.to_string());
    let damage = report.damage.iter().map(|damage| Fault { part: Part::Blocks, detail: damage.to_string() });
    let mut faults: Vec<_> = damage.collect();
    let space = index.map(|index| index.space(chain_tag(&chain_id)));
    let mut check =
        space.map(|space| IndexCheck::begin(space.map_err(|error| error.to_string()), base_height, &log));
    for entry in log.iter(base_height.0 + 1) {
        let executed = entry.map_err(OpenChainError::from).and_then(|entry| {
            let (block, certificate) = decode(&entry)?;
            Ok(worker.replay(block, certificate)?)
        });
        match executed {
            Ok(executed) => check.iter_mut().for_each(|check| check.block(&executed, &worker)),
            // Blocks that do not read are in the report already.
            Err(OpenChainError::Read(_)) if !faults.is_empty() => break,
            Err(error) => {
                faults.push(Fault { part: Part::Blocks, detail: error.to_string() });
                break;
            }
        }
    }
    let (index, fault) = check.map_or((IndexState::Empty, None), IndexCheck::end);
    faults.extend(fault.map(|detail| Fault { part: Part::Index, detail }));
    Ok(VerifiedChain { height: worker.tip().height, app_hash: worker.tip().app_hash, index, torn, faults })
}

/// Compares an index with what blocks enter, one block after the other.
struct IndexCheck {
    book: Option<Book>,
    state: IndexState,
    checkpoint: Option<Checkpointed>,
    /// What was entered and is not what the index holds; a later block may enter it again.
    differing: Entries,
    fault: Option<String>,
}

impl IndexCheck {
    fn begin(space: Result<Space, String>, base: Height, log: &BlockLog) -> Self {
        let mut check = Self {
            book: None,
            state: IndexState::Empty,
            checkpoint: None,
            differing: Entries::new(),
            fault: None,
        };
        let loaded = space.and_then(|space| {
            let book = Book::new(space, base);
            check.book = Some(book.clone());
            let Some(Meta { height, .. }) = book.record(key::META)? else { return Ok(()) };
            if height.0 > log.written_height() {
                check.state = IndexState::Ahead(height);
                return Ok(());
            }
            check.state = IndexState::At(height);
            check.checkpoint = checkpointed(&book, &Reader::new(book.clone(), log.clone()))?;
            Ok(())
        });
        if let Err(reason) = loaded {
            check.fail(reason);
        }
        check
    }

    fn fail(&mut self, reason: String) {
        self.fault.get_or_insert(reason);
        self.state = IndexState::Damaged;
    }

    fn block(&mut self, executed: &Executed, worker: &Worker) {
        let height = executed.tip.height;
        let (Some(book), IndexState::At(last)) = (self.book.clone(), self.state) else { return };
        if height > last {
            return;
        }
        let compared = self.enter(executed, &book);
        let compared = compared.and_then(|()| if height == last { self.compare(worker) } else { Ok(()) });
        if let Err(reason) = compared {
            self.fail(reason);
        }
    }

    fn enter(&mut self, executed: &Executed, book: &Book) -> Result<(), String> {
        let differing = &self.differing;
        let earlier = |key: &[u8]| match differing.get(key).and_then(Option::as_deref) {
            Some(bytes) => Transfer::decode(bytes).map(Some).map_err(|error| error.to_string()),
            None => book.record(key),
        };
        for (key, value) in entries_of(executed, book.base(), earlier)? {
            if book.get(&key).map_err(|error| error.to_string())? == value {
                self.differing.remove(&key);
            } else {
                self.differing.insert(key, value);
            }
        }
        Ok(())
    }

    /// At the height of the checkpoint: everything must be there.
    fn compare(&mut self, worker: &Worker) -> Result<(), String> {
        if let Some((key, _)) = self.differing.first_key_value() {
            let more = self.differing.len();
            return Err(format!(
                "{more} entries are not what the blocks entered, the first is {}",
                hex::encode(key)
            ));
        }
        let Some(Checkpointed { state, recent, .. }) = self.checkpoint.take() else { return Ok(()) };
        if let Finding::Altered(alterations) = Suspect::of(&state).compare(worker.state()) {
            return Err(alterations.to_string());
        }
        let book = self.book.as_ref().ok_or("the index is not open")?;
        // Those of a snapshot stand in blocks that are not here.
        for (tx_id, height) in recent.values().filter(|(_, height)| *height > book.base()) {
            let place: Option<Place> = book.record(&key::transaction(tx_id))?;
            if place.is_none_or(|place| place.height != *height) {
                return Err(format!(
                    "the replay window has transaction {tx_id} in block {height}, which does not hold it"
                ));
            }
        }
        Ok(())
    }

    /// How far the index is, and what is wrong with it.
    fn end(self) -> (IndexState, Option<String>) {
        match (self.state, self.checkpoint) {
            (IndexState::At(height), Some(_)) => (IndexState::NotCompared(height), None),
            (state, _) => (state, self.fault),
        }
    }
}
