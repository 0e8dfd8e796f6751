//! The apps that every chain has: [`admin`] governs it, [`asset`] holds its money.
//!
//! # Invariants
//!
//! - Supply of an asset changes only by mint and burn, and equals what accounts and escrows hold ([`asset::audit`]).
//! - An account without keys cannot be taken over: only its organisation sets the first ones.
//! - Refunds cannot fail for want of permission: they ignore freezes and rules.

pub mod accounts;
pub mod admin;
pub mod asset;
