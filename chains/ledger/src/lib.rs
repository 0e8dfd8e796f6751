//! The rules of a chain: what a valid block is, and what executing it does to the state.
//!
//! [`Ledger::execute`] is a pure function of state, block and code. Apps are the only code that a transaction reaches;
//! they see the state through [`Ctx`], and a call that fails leaves no trace but its receipt.
//!
//! ```text
//!  envelope ── Transaction::decode ── Ledger::check ──► valid in a block
//!                                                         │
//!  block ── header rules (replica) ── Ledger::execute ────┤
//!                                         │               ▼
//!                    per transaction: reference, caller, calls in order
//!                    per call: guard, instance, decode, weight, App::execute
//!                                         ▼
//!                       Executed { changes, receipts, next set, parameters }
//! ```
//!
//! # Invariants
//!
//! - Execution is deterministic: no clock, no randomness, no iteration in hash order, no floats.
//! - A failing call, a panicking call, a refused sub-transaction: writes and events are gone, supply is unchanged.
//! - Every envelope of a valid block gets exactly one receipt, in block order.
//! - A `(sender, request_id)` is entered once while its minute is kept; a reference is entered once for ever.

mod app;
mod check;
pub mod conformance;
mod ctx;
mod execute;
mod failure;
mod genesis;
mod guard;
mod overlay;
pub mod records;
mod references;
mod replay;
mod state;

pub use app::{Access, AccessKey, App, Apps, Checked};
pub use check::{Inadmissible, check_state};
pub use ctx::{Caller, Ctx, attribute};
pub use execute::{BlockContext, Executed, Ledger};
pub use failure::{Failure, Reason};
pub use genesis::GenesisError;
pub use guard::{Denial, Guard, Subject};
pub use overlay::{Overlay, View};
pub use references::{ReferenceEntry, reference_key};
pub use replay::{ReplayChange, ReplayWindow};
pub use state::{State, VERSIONS_KEPT};

/// Stores that every chain has from its first block, besides those of its apps.
pub mod stores {
    use catenary_state::StoreName;

    /// Organisations, accounts, roles, parameters, validators and app instances.
    pub const ADMIN: StoreName = StoreName::new("admin");
    /// Balances, supplies and freezes.
    pub const ASSET: StoreName = StoreName::new("asset");
    /// Light clients, counterparties and sequences.
    pub const CLIENTS: StoreName = StoreName::new("clients");
    /// Packet commitments, receipts and acknowledgements, and nothing else.
    pub const IBC: StoreName = StoreName::new("ibc");
    /// References of transactions.
    pub const INDEX: StoreName = StoreName::new("index");
    /// Ids of recent transactions.
    pub const REPLAY: StoreName = StoreName::new("replay");
}
