//! The `Consensus` actor: one per consensus group on this node; hosts the consensus machine.
//!
//! ```text
//! Chain ── Input ──► step ──► records to the journal ──► durable effects, in step order, once an own signature is on disk
//!                     └─────► effects for at once ──► Chain
//! ```

mod actor;
mod effects;
mod group;

pub(crate) use actor::ConsensusParts;
pub(crate) use group::Group;
