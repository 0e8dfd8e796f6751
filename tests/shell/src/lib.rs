//! The real actors of whole nodes in a simulated world: one thread, a time of its own, one seed.
//!
//! The machines have a simulator of their own, `tests/sim`, which is faster and does worse things to disks and messages. This
//! one is for what the shell adds: mailboxes, the order of completions, shutdown, the restart of one chain, a link that
//! comes back. Journal, guard, block logs and index write real files in a temporary folder.
//!
//! | Module | What it is |
//! |---|---|
//! | [`world`] | the world from its beginning to its end |
//! | [`node`] | one node: its actors, the turns of its workers, its folder |
//! | [`links`] | the wires between nodes |
//! | [`customers`] | payments, and whether every question is answered |
//! | [`faults`] | what goes wrong, and how often |
//! | [`votes`] | what validators say, against what is on their disks |
//! | [`observer`] | what is final on every node, and whether everything is settled |
//!
//! # Invariants
//!
//! - A seed names one run: nothing is drawn but from it, no thread takes part but this one, and no clock but tokio's
//!   paused one. (The index's engine has a thread of its own, which no answer depends on.)
//! - Nothing of the product is replaced: a node is opened as the binary opens it, on another platform.
//! - At most one task waits for a block of a chain on a node, since tokio wakes several in an order of its own.

pub mod customers;
pub mod faults;
pub mod links;
pub mod node;
pub mod observer;
pub mod votes;
pub mod world;

pub use catenary_sim::{Report, Violation};
pub use world::{Defect, Layout, run};
