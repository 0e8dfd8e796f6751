//! The conformance kit over both apps: any bytes, and blocks of calls that mostly make sense, in any order.
//!
//! Every call is judged by `catenary_ledger::conformance` (determinism, no trace, honest access); the modules add what
//! must hold of their app whatever is called.

#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]

#[path = "../common/mod.rs"]
mod common;

mod admin;
mod asset;
mod bytes;
mod world;
