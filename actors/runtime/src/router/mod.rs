//! The `Router` actor: one per node; hosts the relay machine over all lanes.
//!
//! It reaches chains through [`ChainClient`](catenary_links::ChainClient) alone, so it does not know which of them run in
//! this process. It keeps nothing: a router that is dropped and made anew reads the ledgers and goes on.

mod actor;
mod effects;
mod mailbox;
mod meter;

pub use mailbox::Router;
pub use meter::{PacketStats, RouterStats};
