//! Chains for tests: real genesis, blocks, headers, certificates, state and proofs, without consensus or a node.
//!
//! [`TestChain`] makes blocks one by one at the times that the test gives; [`TestLane`] joins two of them by clients
//! and a lane and carries packets as a router would. Every key follows from fixed text, so the same test makes the
//! same bytes.

mod actor;
mod apps;
mod chain;
mod lane;

pub use actor::{Actor, apps, packet_call};
pub use apps::{ECHO_PORT, EchoCall, EchoSend, GovernanceCall, Mend, SetParameters, SetValidators, counter};
pub use chain::{START, TestBlock, TestChain, validator};
pub use lane::{DONE, TestLane, packet};
