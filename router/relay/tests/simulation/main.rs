//! The relay among real ledgers: chains with real state, headers, certificates and proofs, under seeded schedules of
//! loss, duplication, crashes and halts. After each run every invariant of [`catenary_transfer::audit`] holds.
//!
//! A failing run prints its seed. `SIMULATION_SEEDS=n` runs that many seeds more.

#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]

mod chain;
mod random;
mod scenarios;
mod world;
