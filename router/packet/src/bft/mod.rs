//! The `bft` light client: follows any chain with CometBFT's headers and certificates, ours and foreign ones.
//!
//! It gives the verdicts of CometBFT's `light` and ibc-go's `07-tendermint`; the stock Rust verifier is looser, so
//! around it stand the checks it lacks: block protocol 11, a proposer that is a member, sets hashed in the order in
//! which they come, signatures address by address in that order, the hash of the trusted next set, the time between
//! both neighbours, and one reading per message. It differs from Go in one case, on purpose: it keeps the hash of each
//! header, so that a second certified header freezes it whatever field differs, also in an update.
//!
//! ```text
//!                        update, earlier than or equal to a lower header,
//!                        or unequal to the one at its height; misbehaviour
//!   Sound ──────────────────────────────────────────────────────────────► Frozen
//!     ▲  └ no update for a trusting period: expired                          │
//!     └──────────────────── recover (governance, from a substitute) ─────────┘
//! ```

mod client;
mod error;
mod light_block;
mod schema;
mod verify;

pub use client::{Shown, create, misbehaviour, recover, require_active, update};
pub use error::HeaderError;
pub use light_block::{LightBlock, Member, Members};
