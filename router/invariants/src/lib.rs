//! What must hold of a network of chains, whatever goes wrong: each invariant has its one definition here.
//!
//! | | Where | What holds |
//! |---|---|---|
//! | A1 | [`Finality`] | agreement: one block per chain and height |
//! | A2 | [`Finality`] | one state after each block |
//! | A3 | [`Finality::still_has`] | what was final stays final |
//! | A4 | [`Finality`] | a block follows the one before it: height, hash, and a later time |
//! | A5 | [`Finality`] | certificates verify, the one of a block and the one that it carries |
//! | A6 | [`Finality`] | every transaction is signed, and none counts twice |
//! | A7 | [`SignedSteps`] | nobody signs two messages for one height, round and step, in all lives of a key |
//! | P1–P9 | [`packets`] | supply, escrow, one effect and one end of a packet, deadlines, proofs, settlement |
//!
//! What a machine must hold of itself between two steps, bounds of its queues among it, it asserts in its own
//! `check_invariants`. Simulators, harnesses over real actors and tests over real processes all check these.
//!
//! # Invariants
//!
//! - Nothing here is on a chain's path, and nothing here believes what a node says of itself.

mod finality;
mod steps;

pub use catenary_transfer::audit as packets;
pub use finality::{Finality, Told};
pub use steps::SignedSteps;

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{invariant}: {detail}")]
pub struct Violation {
    /// Which.
    pub invariant: &'static str,
    /// What was seen.
    pub detail: String,
}

impl Violation {
    /// An invariant that does not hold, and what was seen.
    pub fn new(invariant: &'static str, detail: impl Into<String>) -> Self {
        Self { invariant, detail: detail.into() }
    }
}

impl From<packets::Violation> for Violation {
    fn from(violation: packets::Violation) -> Self {
        Self::new("packets", violation.to_string())
    }
}
