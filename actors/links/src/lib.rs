//! How clients reach chains: one interface, whether a chain runs in this process or behind gRPC.
//!
//! [`ChainClient`] mirrors the gateway interface of `catenary-relay`. The runtime implements it over mailboxes,
//! [`GrpcChain`] over the node's gRPC services, and [`AnyOf`] over whichever of several nodes answers. [`Directory`] finds chains by id or by name. Nothing above can tell
//! which kind it holds, and the tests run over both.
//!
//! How nodes of one chain reach each other: [`WireEnd`], a pair of bounded queues of frames, whatever carries them; between
//! processes [`peers`] carries them over mutual TLS.
//!
//! # Invariants
//!
//! - A client gives what the chain said or an error; it never answers for the chain from a cache.
//! - Whatever another node sends is input: malformed answers are errors, never panics.
//! - A lost connection says nothing of what was submitted over it.

mod any_of;
mod client;
mod directory;
mod grpc;
mod operator;
pub mod peers;
mod wire;

pub use any_of::AnyOf;
pub use client::{BlockStream, ChainClient, Reply};
pub use directory::{Directory, UnknownChain};
pub use grpc::{ConnectError, GrpcChain};
pub use operator::OperatorDoor;
/// For implementing [`ChainClient`].
pub use tonic::async_trait;
/// A connection to a node.
pub use tonic::transport::Channel;
pub use wire::{Frame, Impairment, Switch, WIRE_FRAMES, WireEnd, impaired_pair, pair};
