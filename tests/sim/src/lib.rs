//! The product's machines in a simulated world: nodes, chains, routers, disks, links and clocks under one seed.
//!
//! The world has one thread and a time of its own. Nothing of it is an actor: consensus, replica, ledger, journal, block log
//! and relay are the production ones, joined as the actors join them.
//!
//! | Module | What it is |
//! |---|---|
//! | [`world`] | the schedule, and what happens in it |
//! | [`campaign`] | many seeds |
//! | [`chain`] | one chain on one node: consensus, replica and worker |
//! | [`router`] | one router on one node |
//! | [`disk`] | journal, guard and block logs as bytes, and what a crash leaves |
//! | [`faults`] | what goes wrong, and how often |
//! | [`lies`], [`spoiled`] | what a Byzantine validator says, and which blocks it builds |
//! | [`rogue`] | what a malicious relayer tries |
//! | [`witness`] | what must hold |
//! | [`report`], [`kinds`] | what a run did |
//! | [`found`] | which seed finds which deliberate defect |
//! | [`setup`] | genesis, keys, lanes, payments |
//!
//! # Invariants
//!
//! - A seed names one run: nothing is drawn but from it, and nothing depends on the machine.
//! - Safety is checked at every step, and the run ends at the first thing that does not hold.
//! - Once the faults are over everything goes on and is settled, within two simulated minutes.

pub mod campaign;
pub mod chain;
pub mod disk;
pub mod faults;
pub mod found;
pub mod kinds;
pub mod lies;
pub mod report;
pub mod rogue;
pub mod router;
pub mod setup;
pub mod spoiled;
pub mod witness;
pub mod world;

pub use catenary_invariants::Violation;
pub use report::Report;
pub use world::{Layout, World};
