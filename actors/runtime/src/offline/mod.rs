//! Chains of a data folder on which no node runs: what operators look into, mend and copy.
//!
//! | Function | Reads | Changes |
//! |---|---|---|
//! | [`verify_chain`] | genesis, block log, index | nothing |
//! | [`rebuild_index`] | genesis, block log | the chain's part of the index |
//! | [`roll_back`] | genesis, block log | the block log, which is set aside; the chain's part of the index |
//! | [`export`] | block log | writes a copy |
//! | [`import`] | a copy | block log and index |
//!
//! None of them touches journal or guard: what a validator has signed is remembered whatever becomes of its blocks.

mod copy;
mod mend;
mod verify;

pub use copy::{Imported, TransferError, export, import};
pub use mend::{rebuild_index, roll_back};
pub use verify::{Fault, IndexState, Part, VerifiedChain, verify_chain};

/// Blocks between two checkpoints of a chain that is rebuilt or imported: what is not in the index yet is in memory.
const CHECKPOINT_BLOCKS: u64 = 1_000;
