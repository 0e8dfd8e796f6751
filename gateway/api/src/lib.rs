//! The node's front door: gRPC services over chains, wherever these run.
//!
//! ```text
//!   TCP ─► accept: connections, handshake ─► tonic: streams, keep-alive ─► request bytes per method
//!       ─► service: authorise, decode ─► ChainClient ─► answer, or status with reason
//! ```
//!
//! | Service | What it is for |
//! |---|---|
//! | `catenary.api.v1.LedgerService` | submitting, reading, events |
//! | `catenary.api.v1.TransferService` | payments to other chains |
//! | `catenary.api.v1.GatewayService` | the router |
//! | `catenary.api.v1.OperatorService` | what the node's operator alone decides, on a socket of its own |
//! | `grpc.health.v1.Health` | `chain/<id>` for each chain, and the node as a whole |
//! | `grpc.reflection.v1`, `v1alpha` | the schemas |
//!
//! `docs/api.md` is the reference. [`limits`] has every limit.
//!
//! # Invariants
//!
//! - Every request has a principal and passes [`authorise()`] before it touches a chain.
//! - Whatever comes over the network, the server goes on serving; nothing is read or queued without a bound.
//! - Every error carries one of the published reasons; a failed write says what it has done.
//! - A stream ends with a status that says how to resume; it never skips anything.
//! - Nothing here decides what a chain does: it asks, and hands on the answer.

mod accept;
pub mod authorise;
mod events;
mod gateway;
mod health;
mod inclusion;
mod ledger;
pub mod limits;
mod node;
pub mod operator;
mod outbox;
mod request_bytes;
mod resume;
mod server;
mod transfer;

pub use authorise::{Action, Authorise, Principal, authorise};
pub use limits::Limits;
pub use server::{Api, ServeError, serve};
