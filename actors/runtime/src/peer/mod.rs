//! The `PeerLink` actor: one per other node, for all chains that both run.
//!
//! ```text
//! Chain, Consensus ── frame ──► lane ──► wire ══► the other node
//!                                        wire ◄══ the other node
//!                                         ├── consensus ──► verification ──► Consensus
//!                                         └── the rest ───► Chain
//! ```
//!
//! The wire takes few frames at a time; what it does not take waits in lanes, the urgent one first. A full lane drops
//! its oldest frame, and the drop is counted: every protocol above sends again what matters.

mod actor;
mod links;

pub(crate) use actor::{PeerLinkActor, PeerLinkParts};
pub use links::LinkStats;
pub(crate) use links::{LinkNumber, PeerLinks};
