//! The courier between chains: carries headers, certificates and proofs, and is trusted with nothing.
//!
//! [`Relay`] is a step machine without a journal. It hears the final blocks of its chains, finds in their events what is
//! unfinished, and writes ordinary transactions that finish it:
//!
//! ```text
//!            final blocks                       final blocks
//!   source ───────────────►┌─────────────┐◄─────────────── target
//!          ◄── multiproof ─│    Relay    │─ multiproof ──►
//!          ◄── acknowledge │ per lane and│   receive ────►
//!          ◄── timeout     │  direction  │   tick ───────►
//!          ◄── update      └─────────────┘   update ─────►
//! ```
//!
//! Each call has one header, one certificate and one multiproof for up to 500 packets. Header H shows the state after
//! H - 1, and always the newest header is taken, so packets of several blocks that are ready together share one call.
//!
//! | Module | What it is |
//! |---|---|
//! | [`gateway`] | the interface to a chain, for the relay and any other client |
//! | [`query`] | what clients read of a chain |
//! | [`limits`] | every limit and pause |
//! | [`Input`], [`Effect`] | what goes in and out |
//!
//! # Invariants
//!
//! - Whatever the relay does, forgets or repeats, no ledger's outcome changes: a duplicate is a no-op there.
//! - Its memory is a cache of what the ledgers say; a fresh relay that reads them comes to the same end. What is settled
//!   is forgotten, and every queue is bounded by what the ledgers hold unsettled.
//! - It never moves money on a timer of its own: a timeout is submitted with a proof at a time past the deadline.
//! - It acts on a chain only after hearing all that was final when its stream began.
//! - A packet is in one call at a time; it is taken up again until a ledger says that it is settled, for ever.
//! - One packet, one lane or one chain that fails delays no other.

mod chain;
mod client;
mod flow;
pub mod gateway;
mod hear;
mod interface;
mod job;
pub mod limits;
mod machine;
pub mod query;
mod work;

pub use interface::{
    ChainConfig, ChainIndex, ConfigError, Effect, Input, LaneConfig, LaneEnd, RelayConfig, Ticket,
};
pub use machine::Relay;
