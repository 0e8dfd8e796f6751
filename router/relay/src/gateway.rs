//! The gateway interface: all that the router, and any other client, ever asks of a chain.
//!
//! Plain data. Inside a process it goes over a mailbox, elsewhere over gRPC; `proto` converts.

use catenary_state::StoreName;
use catenary_types::{Event, Height, Receipt, SignedHeader, TxId, ValidatorSet};
use std::sync::Arc;

/// A final block as subscribers get it, in order of heights and without gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalBlock {
    /// Header and certificate.
    pub signed: SignedHeader,
    /// The set that signed it.
    pub validators: ValidatorSet,
    /// One per envelope, in block order. They are provable under the next header.
    pub receipts: Vec<Receipt>,
}

impl FinalBlock {
    /// Its height.
    pub fn height(&self) -> Height {
        self.signed.header.height
    }

    /// Events in block order, with the position of their transaction.
    pub fn events(&self) -> impl Iterator<Item = (usize, &Event)> {
        let receipts = self.receipts.iter().enumerate();
        receipts.flat_map(|(position, receipt)| receipt.events.iter().map(move |event| (position, event)))
    }
}

/// Asks for a multiproof of keys of one store in the state after `height`, which header `height + 1` carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofRequest {
    /// State after this block.
    pub height: Height,
    /// Which store.
    pub store: StoreName,
    /// Which keys, present or not.
    pub keys: Vec<Vec<u8>>,
}

/// What became of a submitted envelope at the door. Its outcome is a receipt in some later block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmitOutcome {
    /// It waits for a block.
    Accepted(TxId),
    /// The same body was submitted before; this is its id, and perhaps where it stands.
    Known {
        /// The transaction.
        tx_id: TxId,
        /// Its block, if it has one.
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
    /// The pool is full, or a tick came too soon. Try again later.
    Busy,
    /// The chain is halted on this node.
    Halted,
}

impl RefusalReason {
    /// Every reason.
    pub const ALL: [Self; 11] = [
        Self::MalformedEnvelope,
        Self::TooLarge,
        Self::WrongChain,
        Self::UnknownSender,
        Self::InvalidSignature,
        Self::Expired,
        Self::ValidTooLong,
        Self::RequestIdReused,
        Self::TooHeavy,
        Self::Busy,
        Self::Halted,
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
            Self::Busy => "BUSY",
            Self::Halted => "HALTED",
        }
    }

    /// Whether the same envelope may be taken later.
    pub fn may_retry(self) -> bool {
        matches!(self, Self::Busy | Self::Halted)
    }
}

/// A request that a chain could not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// The chain's queue is full. Try again later.
    #[error("the chain is busy")]
    Busy,
    /// The chain does not run on this node, or the connection is gone. Nothing is known of the request.
    #[error("the chain cannot be reached: {0}")]
    Unavailable(String),
    /// The height is in the future, or its state is no longer kept.
    #[error("height {requested} is not available, expected {oldest} to {newest}")]
    Height {
        /// What was asked for.
        requested: Height,
        /// The oldest that can be answered.
        oldest: Height,
        /// The newest that can be answered.
        newest: Height,
    },
    /// Stored data is damaged; the operator was told.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
}

/// A block shared by all its subscribers.
pub type SharedBlock = Arc<FinalBlock>;
