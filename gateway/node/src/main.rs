//! `catenary`: the node, the demo and the tools, in one binary.
//!
//! # Invariants
//!
//! - Progress and notices go to stderr, data to stdout.
//! - Exit codes: 0 done, 1 failed or not reconciled, 2 wrong usage, 3 done but some rows were refused.

mod bench;
mod chains;
mod cli;
mod cluster;
mod consensus;
mod debug;
mod demo;
mod keys;
mod lanes;
mod metrics;
mod network;
mod node;
mod operate;
mod pki;
mod processes;
mod serve;
mod setup;
mod snapshot;
mod submitter;
mod testnet;
mod validators;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
