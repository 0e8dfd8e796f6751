//! What a submitter is told at the door.

use catenary_types::{Height, TxId};

/// What became of a submitted envelope at the door. Its outcome is a receipt in some later block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmitOutcome {
    /// It waits for a block.
    Accepted(TxId),
    /// The same body was submitted before; this is its id, and its block if it has one.
    Known {
        /// The transaction.
        tx_id: TxId,
        /// Its block.
        height: Option<Height>,
    },
    /// It was not taken and changes nothing.
    Refused(Refusal),
}

/// Why an envelope was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", reason.name())]
pub struct Refusal {
    /// Which of the published reasons.
    pub reason: RefusalReason,
    /// What was expected, what came, what to do.
    pub detail: String,
}

impl Refusal {
    /// A refusal with its particulars.
    pub fn new(reason: RefusalReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

/// Published reasons of refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalReason {
    /// Not a canonical envelope, or not one of a kind and scheme that this chain takes.
    MalformedEnvelope,
    /// Larger than an envelope may be.
    TooLarge,
    /// Made for another chain.
    WrongChain,
    /// No such account; refused without looking at the signature.
    UnknownSender,
    /// A signature does not verify, a key does not count, or too little weight signed.
    InvalidSignature,
    /// Its time is over.
    Expired,
    /// It asks to be valid for longer than the chain allows.
    ValidTooLong,
    /// The request id belongs to another body.
    RequestIdReused,
    /// It weighs more than a block takes.
    TooHeavy,
    /// It could change nothing: what it would do is done.
    Redundant,
    /// The pool is full, or a tick came too soon. Try again later.
    Busy,
    /// The chain is halted on this node.
    Halted,
    /// The node has too little room on its disk to take more. Try again later, or elsewhere.
    DiskFull,
}

impl RefusalReason {
    /// Every reason.
    pub const ALL: [Self; 13] = [
        Self::MalformedEnvelope,
        Self::TooLarge,
        Self::WrongChain,
        Self::UnknownSender,
        Self::InvalidSignature,
        Self::Expired,
        Self::ValidTooLong,
        Self::RequestIdReused,
        Self::TooHeavy,
        Self::Redundant,
        Self::Busy,
        Self::Halted,
        Self::DiskFull,
    ];

    /// The published name.
    pub fn name(self) -> &'static str {
        match self {
            Self::MalformedEnvelope => "MALFORMED_ENVELOPE",
            Self::TooLarge => "TOO_LARGE",
            Self::WrongChain => "WRONG_CHAIN",
            Self::UnknownSender => "UNKNOWN_SENDER",
            Self::InvalidSignature => "INVALID_SIGNATURE",
            Self::Expired => "EXPIRED",
            Self::ValidTooLong => "VALID_TOO_LONG",
            Self::RequestIdReused => "REQUEST_ID_REUSED",
            Self::TooHeavy => "TOO_HEAVY",
            Self::Redundant => "REDUNDANT",
            Self::Busy => "BUSY",
            Self::Halted => "HALTED",
            Self::DiskFull => "DISK_FULL",
        }
    }

    /// Whether the same envelope may be taken later.
    pub fn may_retry(self) -> bool {
        matches!(self, Self::Busy | Self::Halted | Self::DiskFull)
    }
}
