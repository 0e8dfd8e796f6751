//! The packet law: what every chain enforces when packets leave, arrive, are answered or run out of time, and the
//! light client by which one chain believes another.
//!
//! Packets are those of IBC v2, byte for byte: what ibc-go, the Solidity contracts and stock relayers read and write.
//!
//! ```text
//!   source chain                        router (untrusted)                        target chain
//!   transfer: escrow, law::send
//!     commitment  ────────────── header, certificate, multiproof ──────────►  Receive: client verifies,
//!                                                                               deadline, receipt, app, answer
//!   Acknowledge: client verifies, ◄─── header, certificate, multiproof ─────    acknowledgement
//!     commitment deleted, app keeps or refunds
//!   Timeout: the receipt is absent ◄── header not earlier than the deadline
//! ```
//!
//! | Module | What it is |
//! |---|---|
//! | [`messages`] | the calls and the packet |
//! | [`law`] | send, receive, acknowledge, timeout of one packet |
//! | [`PacketApp`] | the calls as an app: one header, one proof, up to 500 packets, an outcome for each |
//! | [`bft`] | the light client |
//! | [`commitment`], [`proof`] | what the `ibc` store holds, and proofs about another chain's |
//! | [`events`] | what a router hears |
//! | [`PortApp`] | what an app implements to send and receive |
//!
//! # Invariants
//!
//! - Whoever relays is not trusted: a packet has an effect only if a header that the client verified commits to it.
//! - A packet has at most one effect on its target; at most one of acknowledged, refunded for an error, refunded for a
//!   timeout on its source. A receipt stands before the app runs, a commitment is gone before its callback.
//! - Received only in a block before the deadline; timed out only with a proof under a header not before it. Only
//!   header times count, rounded down to seconds; no local timer settles anything.
//! - One packet's failure is that packet's outcome or acknowledgement; it never reverts or delays another.
//! - A client that saw a contradiction accepts nothing; no default value ever means valid.
//! - Verifiers are total: whatever bytes come, they give a value or an error, never a panic.
//! - Nothing here knows what a payload means, keeps state outside the stores `ibc` and `clients`, or reads a clock.

mod app;
mod batch;
pub mod bft;
pub mod commitment;
pub mod events;
pub mod ids;
pub mod key;
pub mod law;
pub mod limits;
pub mod messages;
mod port;
pub mod proof;
pub mod records;
#[cfg(feature = "testing")]
pub mod testing;

pub use app::{KIND, PacketApp};
pub use batch::is_redundant;
pub use ids::{ClientId, Sequence};
pub use law::{Outcome, SEND_WEIGHT, send};
pub use messages::{Packet, PacketCall, Payload};
pub use port::PortApp;
pub use records::ReadClients;
