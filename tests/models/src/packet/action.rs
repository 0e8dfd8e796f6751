//! What a block of either chain holds, and what becomes of it.

use super::state::{Answer, Side};

/// A block with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A user sends a packet.
    Send {
        /// Which.
        packet: usize,
        /// Its deadline.
        deadline: u8,
        /// What the target's app will answer.
        answer: Answer,
    },
    /// The courier shows a header of the source and a packet.
    Receive {
        /// Which.
        packet: usize,
        /// The header.
        header: u8,
    },
    /// The courier shows a header of the target and an answer, be it a false one.
    Acknowledge {
        /// Which.
        packet: usize,
        /// The header.
        header: u8,
        /// What the courier says that the answer is.
        answer: Answer,
    },
    /// The courier shows a header of the target and says that the packet is not there.
    Timeout {
        /// Which.
        packet: usize,
        /// The header.
        header: u8,
    },
    /// An empty block.
    Idle(Side),
    /// Two contradicting headers of the other chain are shown to the client on this one.
    Freeze(Side),
    /// Governance puts a frozen client on the other chain's newest header.
    Recover(Side),
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// The step was taken.
    Done,
    /// It had been taken before; the call fails.
    Duplicate,
    /// The client believes nothing; the call fails.
    Frozen,
    /// No such header, or it does not prove what is said; the call fails.
    Unproven,
    /// The deadline is past.
    Expired,
    /// The deadline does not fit.
    Untimely,
}

impl Action {
    /// The chain whose block it is.
    pub fn side(&self) -> Side {
        match self {
            Self::Send { .. } | Self::Acknowledge { .. } | Self::Timeout { .. } => Side::Source,
            Self::Receive { .. } => Side::Target,
            Self::Idle(side) | Self::Freeze(side) | Self::Recover(side) => *side,
        }
    }
}
