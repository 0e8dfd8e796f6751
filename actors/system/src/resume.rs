//! Voting again by the operator's word, for a validator that lost both copies of what it signed and whom nobody can tell.

use catenary_consensus::Mark;
use catenary_journal::guard::Marked;
use catenary_runtime::{OpenChainError, base_of, chain_tag, identity_of};
use catenary_store::{
    DataDir, FileError, OpenDirError, OpenError,
    block_log::{self, BlockLogWriter},
    guard::GuardWriter,
};
use catenary_types::{ChainId, Genesis, Height, Message, genesis::CONSENSUS_RAFT};

/// Why a validator does not vote again.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// The folder cannot be used.
    #[error(transparent)]
    Dir(#[from] OpenDirError),
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The guard cannot be opened.
    #[error("guard: {0}")]
    Guard(OpenError),
    /// The block log cannot be opened.
    #[error("block log: {0}")]
    Log(OpenError),
    /// The snapshot that the block log goes on from cannot be used.
    #[error(transparent)]
    Chain(#[from] OpenChainError),
    /// There is no such chain here.
    #[error("the folder holds no chain {0}")]
    NoChain(ChainId),
    /// The block log is damaged, so that nobody knows how far the chain is.
    #[error("the block log is damaged: {0}")]
    Damaged(String),
    /// Its group keeps a Raft log, of which others have a part in their votes.
    #[error(
        "{0} keeps a Raft log: nobody can tell whom this member voted for before it was lost, so it comes back with a new \
         validator key alone"
    )]
    KeepsLog(ChainId),
    /// The guard remembers.
    #[error(
        "the guard knows that this validator signed at height {signed}, above the newest block {newest}: signing there again \
         could make two blocks of one height. The others of its group bring it back; a group of one goes on only as a new \
         revision of its chain"
    )]
    Remembered {
        /// The height of the newest signature.
        signed: Height,
        /// The newest block of the log.
        newest: Height,
    },
}

/// Lets the validator of this folder vote above the newest block of its log, whatever became of journal and guard. The
/// operator vouches that it signed nothing there. The node must not run. Gives the first height that it votes on.
pub fn resume_voting(data: &DataDir, chain_id: &ChainId) -> Result<Height, ResumeError> {
    let no_chain = || ResumeError::NoChain(chain_id.clone());
    if !data.chain_ids()?.iter().any(|known| known == chain_id.as_str()) {
        return Err(no_chain());
    }
    let dir = data.chain(chain_id.as_str())?;
    let genesis = dir.genesis()?.and_then(|bytes| Genesis::decode(&bytes).ok()).ok_or_else(no_chain)?;
    if genesis.consensus == CONSENSUS_RAFT && genesis.validators.len() > 1 {
        return Err(ResumeError::KeepsLog(chain_id.clone()));
    }
    let identity = identity_of(&genesis, base_of(&genesis, &dir)?.as_ref())?;
    let logs = BlockLogWriter::start(block_log::Config::default(), |_| ())?;
    let (log, report) = logs.open(&dir.blocks(), identity).map_err(ResumeError::Log)?;
    if !report.damage.is_empty() {
        return Err(ResumeError::Damaged(report.to_string()));
    }
    let newest = Height(log.written_height());
    // Nothing that was signed may be forgotten here, be it unsent: so nothing is said of the journal.
    let (guard, _) = GuardWriter::open(&data.guard(), None).map_err(ResumeError::Guard)?;
    let (guard, tag) = (guard.guard(), chain_tag(chain_id));
    if let Some(mark) = guard.newest(tag).and_then(|bytes| Mark::decode(&bytes))
        && mark.height > newest
    {
        return Err(ResumeError::Remembered { signed: mark.height, newest });
    }
    guard.raise_and_wait([(tag, Marked { mark: Mark::end_of(newest).encode(), batch: 0 })])?;
    Ok(newest.next())
}
