//! The gateway interface: all that the router, and any other client, ever asks of a chain.
//!
//! Plain data. Inside a process it goes over a mailbox, elsewhere over gRPC; `proto` converts.

use catenary_replica::Executed;
pub use catenary_replica::{Refusal, RefusalReason, SubmitOutcome};
use catenary_state::StoreName;
use catenary_types::{Event, Height, Receipt, SignedHeader, ValidatorSet};
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
    /// A block that was executed.
    pub fn of(executed: &Executed) -> Self {
        let (header, certificate) = (executed.block.header.clone(), executed.certificate().clone());
        Self {
            signed: SignedHeader { header, certificate },
            validators: (*executed.tip.validators).clone(),
            receipts: executed.receipts.clone(),
        }
    }

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
