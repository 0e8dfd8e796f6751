//! The group under a seeded scheduler: delays, losses, crashes, lies. The seed is the test.
//!
//! Every schedule is checked as it runs: no two decisions at a height, no two signatures of an honest validator for one
//! (height, round, step), certificates that verify. Afterwards the faults stop and all must reach the same height.

#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]

mod attacks;
mod clocks;
mod network;
mod node;
mod recovery;
mod scenarios;
