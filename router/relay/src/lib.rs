//! The courier between chains: carries headers, certificates and proofs, and is trusted with nothing.
//!
//! # Invariants
//!
//! - Whatever the relay does, forgets or repeats, no ledger's outcome changes: a duplicate is a no-op there.
//! - Its memory is a cache of what the ledgers say; a fresh relay that reads them comes to the same end.
//! - It never moves money on a timer of its own: a timeout is submitted with a proof at a time past the deadline.

pub mod gateway;
pub mod query;
