//! What goes into the machine and what comes out: closed enums of plain data.

use crate::journal::{Origin, Record, RecordError};
use crate::message::{Evidence, Message, ValueId};
use crate::pending::Peer;
use crate::signer::{Mark, Refusal};
use crate::timeliness::TimelinessParameters;
use crate::timers::Timeouts;
use catenary_types::{Address, Certificate, Height, Timestamp, ValidatorSet};
use std::sync::Arc;

/// Whether a validator signs at a height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voting {
    /// If it is in the set.
    Vote,
    /// Not: it follows the others' votes and decides with them.
    Follow,
}

/// Whether there is something to decide on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// This node holds work for the height.
    Now,
    /// It does not: sleep until [`Input::Wake`], or until more than a third of the power is heard at the height.
    WhenNeeded,
}

/// All that a height needs. Follows from committed state, but for the last four fields.
#[derive(Clone, Debug)]
pub struct StartHeight {
    /// The height.
    pub height: Height,
    /// Who decides it.
    pub validators: Arc<ValidatorSet>,
    /// Index of the leader of round 0, see [`crate::leader`].
    pub first_leader: usize,
    /// Time of the header before; the genesis time at height 1.
    pub last_time: Timestamp,
    /// The timeliness rule's p and d.
    pub timeliness: TimelinessParameters,
    /// Waiting times; each node's own, longer ones are always safe.
    pub timeouts: Timeouts,
    /// Whether to sign.
    pub voting: Voting,
    /// Whether to begin at once. A height with a journal begins at once in any case.
    pub start: Start,
    /// The journal's records, in order; those of other heights are ignored. Empty unless the node restarted.
    pub replay: Vec<Record>,
}

/// The host's verdict on a block, from the block alone: form, signatures, links to the block before. Not its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Valid, and the body is in the journal ahead of every record of this step.
    Valid,
    /// Not a block of this chain.
    Invalid,
}

/// What happens to the machine.
#[derive(Clone, Debug)]
pub enum Input {
    /// A height begins: the first one, or the one after a decision. The same height again begins it anew.
    StartHeight(StartHeight),
    /// A message came from a peer.
    Message {
        /// Who sent it, not necessarily who signed it.
        peer: Peer,
        /// It.
        message: Message,
    },
    /// This node holds work for the height now: a transaction, a seal or heartbeat due, a valid body.
    Wake,
    /// It no longer does.
    Rest,
    /// Answers [`Effect::Build`]: propose this. Every answer is a new header; one that was proposed in an earlier round is
    /// ignored, since nobody would accept it without POL. Ignored, too, when its round is over.
    Propose {
        /// As asked for.
        height: Height,
        /// As asked for.
        round: u32,
        /// The block that was built; its body is in the journal ahead of every record of this step.
        value: ValueId,
    },
    /// A body came in and was judged, or [`Effect::JudgeSynced`] is answered.
    Verdict {
        /// Height of the block; ignored if it is not the current one.
        height: Height,
        /// The block.
        value: ValueId,
        /// The proposer that its header names.
        builder: Address,
        /// What the host found.
        verdict: Verdict,
        /// Where the body came from.
        origin: Origin,
    },
    /// A peer that is ahead sent the certificate of the current height.
    Synced {
        /// Who.
        peer: Peer,
        /// The certificate, not yet verified.
        certificate: Certificate,
        /// Time of the header that it is for.
        time: Timestamp,
    },
    /// A peer has just come: tell it what was said at this height. It may have missed it, or forgotten its own part.
    Greet(Peer),
    /// Raises the guard: at or below this mark nothing is signed any more. For a validator that lost its memory.
    Raise(Mark),
    /// A deadline passed. Every other input fires what is due as well.
    Fired,
}

/// A height is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Precommits of a quorum, all verified, in the set's order.
    pub certificate: Certificate,
    /// What was decided.
    pub value: ValueId,
    /// Who contradicted himself at this height.
    pub evidence: Vec<Evidence>,
}

/// Why a validator stops signing for the rest of a height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbstainReason {
    /// The guard refused what the engine wanted signed.
    Refused(Refusal),
    /// The replayed journal led to another message than the one recorded.
    Diverged,
    /// The guard knows a message of this height, or of a later one, that the journal does not: it lost its records, and
    /// with them maybe a lock.
    Unremembered(Mark),
    /// A peer showed an own signature that this node does not remember: its journal was rolled back, or someone else
    /// uses its key.
    Forgotten(Mark),
}

/// Why the machine stopped for good. The chain is rebuilt from its log, or looked at by a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A journal record does not read; this node's disk is at fault.
    #[error("record {index} of the height's journal: {error}")]
    Record {
        /// Which, from 0.
        index: usize,
        /// What is wrong.
        error: RecordError,
    },
    /// The engine failed; a defect of it or of its host.
    #[error("the engine failed at height {height}: {detail}")]
    Engine {
        /// Where.
        height: Height,
        /// What it said.
        detail: String,
    },
    /// A quorum precommitted what this node finds invalid: it runs other rules than they do, or too many lie.
    #[error("height {height}: a quorum decided {value}, which is invalid here")]
    CertifiedInvalid {
        /// Where.
        height: Height,
        /// What.
        value: ValueId,
    },
}

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Build a block and answer with [`Input::Propose`], when there is something valid to propose.
    Build {
        /// For this height.
        height: Height,
        /// And round.
        round: u32,
        /// When the round's propose timer ends, unless the height sleeps.
        deadline: Timestamp,
    },
    /// The certificate of a synced block verified: judge its body and answer with [`Input::Verdict`].
    JudgeSynced {
        /// Height of the block.
        height: Height,
        /// Which.
        value: ValueId,
    },
    /// A synced certificate is refused; the peer is at fault.
    SyncRefused {
        /// Who sent it.
        peer: Peer,
        /// For which height.
        height: Height,
        /// What is wrong with it.
        reason: String,
    },
    /// A peer speaks of a later height, for the first time since this one started: this node may be behind.
    Ahead {
        /// Who.
        peer: Peer,
        /// Of which height; nothing is verified.
        height: Height,
    },
    /// A round began.
    RoundStarted {
        /// Of which height.
        height: Height,
        /// Which.
        round: u32,
        /// Who leads it.
        leader: Address,
    },
    /// Send to all other validators.
    Publish(Message),
    /// Send to one peer.
    Tell {
        /// Whom.
        peer: Peer,
        /// What.
        message: Message,
    },
    /// Send the body of a value to all others again: it is about to be proposed again.
    Restream {
        /// Height of the block.
        height: Height,
        /// Round in which it is proposed again.
        round: u32,
        /// Which.
        value: ValueId,
    },
    /// Commit the block, then start the next height.
    Decide(Decision),
    /// From here on this node follows the height without signing. Tell the operator.
    Abstain {
        /// Until this height is decided.
        height: Height,
        /// Why.
        reason: AbstainReason,
    },
    /// The machine takes no input any more.
    Halt(Error),
}

/// What one input led to.
///
/// The order for the shell: append `journal`; run `now`; then, once the records and marks of all steps up to the last one
/// with a `mark` are on disk, run `durable`. Durable effects of all steps run in step order. So only own signatures make
/// a flush necessary, and what was received before one is flushed with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Records for the journal.
    pub journal: Vec<Record>,
    /// The new mark for the guard's file, if something was signed or the file turned out to be behind. Flush journal and
    /// mark before anything durable.
    pub mark: Option<Mark>,
    /// Effects for at once: build, judge, notices.
    pub now: Vec<Effect>,
    /// Effects for after the flush: publish, tell, restream, and last decide.
    pub durable: Vec<Effect>,
}
