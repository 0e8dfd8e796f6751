//! The `Raft` actor: one per group that keeps a log instead of voting; hosts the pure member and owns the engine's handle.
//!
//! ```text
//! Chain ── Input ──► member ──► Build, Decided … ──► Chain
//!                      │ ▲
//!      Write ──► engine ┘ └── applied entries, in the log's order
//!                  │
//!                  ├── changes of the log ──► the chain's journal
//!                  └── questions and answers ──► links
//! ```

mod actor;
mod disk;
mod effects;
mod peers;

pub(crate) use actor::{RaftActor, RaftMessage};
pub(crate) use disk::{RaftLog, recover};
