//! The `Chain` actor: one per chain on this node; hosts the replica machine.
//!
//! Handlers take a step of the machine and hand its effects on: jobs to the executor lane, bodies to the journal, inputs
//! to the `Consensus` actor on the same arbiter. They never wait.

mod actor;
mod effects;
mod mailbox;
mod slots;
mod snapshots;

pub(crate) use actor::{ChainActor, ChainMessage, ChainParts};
pub(crate) use mailbox::Running;
pub use mailbox::{ChainMailbox, Slot};
pub(crate) use slots::Slots;
