//! The product's machines in a simulated world: nodes, chains, routers, disks, links and clocks under one seed.
//!
//! The world has one thread and a time of its own. Nothing of it is an actor: consensus, replica, ledger, journal, block log
//! and relay are the production ones, joined as the actors join them.
//!
//! | Module | What it is |
//! |---|---|
//! | [`world`] | the schedule, and what happens in it |
//! | [`chain`] | one chain on one node: consensus, replica and worker |
//! | [`router`] | one router on one node |
//! | [`disk`] | journal, guard and block logs as bytes, and what a crash leaves |
//! | [`network`], [`faults`] | what goes wrong, and how often |
//! | [`witness`] | what must hold |
//! | [`report`] | what a run did |
//! | [`setup`] | genesis, keys, lanes, payments |
//!
//! # Invariants
//!
//! - A seed names one run: nothing is drawn but from it, and nothing depends on the machine.
//! - Safety is checked at every step, and the run ends at the first thing that does not hold.
//! - Once the faults are over everything goes on and is settled, within two simulated minutes.

pub mod chain;
pub mod disk;
pub mod faults;
pub mod network;
pub mod report;
pub mod router;
pub mod setup;
pub mod witness;
pub mod world;

pub use report::Report;
pub use witness::Violation;
pub use world::{Layout, World};
