//! What goes into the replica machine and what comes out: closed enums of plain data.

use crate::{
    peer::{PeerMessage, Recipients},
    snapshot::{Snapshot, SnapshotError, SnapshotPart},
    submission::SubmitOutcome,
    worker::{Done, Executed, Job},
};
use catenary_consensus::{Decision, Input as ConsensusInput, Peer, ValueId, journal::Record};
use catenary_crypto::Hash;
use catenary_types::{Block, Height};
use std::sync::Arc;

/// Names a submission until it is answered.
pub type Ticket = u64;

/// What happens to a replica.
#[derive(Clone, Debug)]
pub enum Input {
    /// The first input: what the journal holds of heights above the tip.
    Start(Recovered),
    /// A client submits envelopes.
    Submit {
        /// Names the submission in the answer.
        ticket: Ticket,
        /// Encoded envelopes.
        envelopes: Vec<Vec<u8>>,
    },
    /// A peer is connected.
    Connected(Peer),
    /// It no longer is.
    Disconnected(Peer),
    /// A peer sent a message that is not consensus' own.
    Peer {
        /// Who.
        peer: Peer,
        /// What.
        message: PeerMessage,
    },
    /// Consensus hears a peer speak of a later height.
    Ahead {
        /// Who.
        peer: Peer,
        /// Of which height.
        height: Height,
    },
    /// Consensus refused a fetched certificate.
    SyncRefused(Peer),
    /// A quorum decided a block that is invalid here.
    Contradicted {
        /// Its height.
        height: Height,
        /// Which.
        value: ValueId,
    },
    /// Consensus was shown an own signature that it does not remember.
    Forgotten,
    /// Consensus asks for a block to propose.
    Build {
        /// For this height.
        height: Height,
        /// And round.
        round: u32,
    },
    /// Consensus verified the certificate of a block that was fetched, and asks for the verdict.
    Judge(ValueId),
    /// Consensus proposes a block again: others may lack its body.
    Restream(ValueId),
    /// The log of the group has a block of the next height, to be judged.
    Logged(Arc<Block>),
    /// A block is final.
    Decided(Decision),
    /// The worker did a job.
    Done(Done),
    /// The deadline passed.
    Fired,
}

/// What a restart finds in the journal.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// Bodies, each judged valid before it was written.
    pub bodies: Vec<Block>,
    /// Records of consensus, in order.
    pub records: Vec<Record>,
}

/// What the shell is to do.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Have the worker do this, in order.
    Work(Job),
    /// Feed this to consensus.
    Consensus(Box<ConsensusInput>),
    /// Answer a submission.
    Reply {
        /// Which.
        ticket: Ticket,
        /// One per envelope.
        outcomes: Vec<SubmitOutcome>,
    },
    /// Send a message to peers.
    Send {
        /// Whom.
        to: Recipients,
        /// What.
        message: PeerMessage,
    },
    /// Send a peer final blocks of the log, from this height on: at most [`FETCH_BLOCKS_MAX`](crate::FETCH_BLOCKS_MAX).
    Serve {
        /// Whom.
        peer: Peer,
        /// The first height.
        from: Height,
    },
    /// Send a peer a part of the newest snapshot, or that there is none.
    ServeSnapshot {
        /// Whom.
        peer: Peer,
        /// Which part.
        part: SnapshotPart,
    },
    /// A snapshot of a peer is none. Tell the operator.
    SnapshotRefused {
        /// Whose.
        peer: Peer,
        /// Why.
        error: SnapshotError,
    },
    /// A snapshot of another node is this chain's state. This replica does nothing more: store it, and rebuild the chain
    /// on it.
    Restore(Arc<Snapshot>),
    /// A block is final and executed: store it, tell subscribers.
    Committed(Box<Committed>),
    /// A block of another validator is invalid. Tell the operator.
    Rejected {
        /// Which.
        value: ValueId,
        /// Why.
        reason: String,
    },
    /// This node came to another state than the others, or lives by other rules. It does nothing more: rebuild it from
    /// its log.
    Diverged(Divergence),
}

/// How a node parted from the others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Divergence {
    /// Others have another state.
    #[error("after height {height} the state has root {ours} here and {theirs} elsewhere")]
    Root {
        /// After this block.
        height: Height,
        /// The root here.
        ours: Hash,
        /// Theirs.
        theirs: Hash,
    },
    /// A quorum decided what is invalid here.
    #[error("at height {height} a quorum decided {value}, which is invalid here")]
    Decision {
        /// Where.
        height: Height,
        /// What.
        value: ValueId,
    },
}

/// A final block with its outcome.
#[derive(Clone, Debug)]
pub struct Committed {
    /// Tip, block and receipts.
    pub executed: Executed,
    /// Transactions that still wait.
    pub pool: usize,
}

/// What one input led to. The shell appends the bodies to the journal, then runs the effects in order: the journal keeps
/// its order on disk, so whatever consensus writes about a body comes after it.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// Bodies for the journal.
    pub journal: Vec<Arc<Block>>,
    /// What to do then.
    pub effects: Vec<Effect>,
}
