//! The `Supervisor` actor: starts, stops and restarts one chain without touching the others.
//!
//! An actix actor that panics is simply gone, and the process looks healthy. So every actor of a chain carries a
//! [`Watch`], which reports when it is dropped without having said why. The chain is then rebuilt from its log.
//!
//! ```text
//!   Start ─► opening (elsewhere: checkpoint, log) ─► running ── fell ─► opening … at most 3 times a minute
//!                                                           └── Stop ─► stopped ── Start ─► opening
//! ```

mod actor;
mod mailbox;
mod watch;

pub use actor::{ChainDefinition, Reasons};
pub use mailbox::{NodeParts, Supervisor};
pub(crate) use watch::{LinkWatch, Watch};
