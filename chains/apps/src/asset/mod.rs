//! Money: assets, balances, escrows and freezes.
//!
//! ```text
//!   mint ──► account ◄──── transfer ────► account ──► burn
//!               │ ▲
//!        escrow ▼ │ release
//!              lane (packets in flight and vouchers abroad)
//! ```
//!
//! Supply changes by mint and burn alone and always equals what accounts and escrows hold. Escrow, release and the
//! minting and burning of vouchers are functions for packet apps ([`money`]), not calls.

mod audit;
mod calls;
mod keys;
mod messages;
pub mod money;

pub use audit::{AuditError, Supply, audit};
pub use keys::AssetKey;
pub use messages::{AssetCall, AssetRecord, Burn, Create, Freeze, LaneName, Mint, Transfer, Unfreeze};

use catenary_ledger::{Access, App, Caller, Checked, Ctx, Failure};
use catenary_types::{Message, WireError};

/// The kind under which the app is registered.
pub const KIND: &str = "asset";

/// The app.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asset;

impl App for Asset {
    type Message = AssetCall;

    fn decode(&self, bytes: &[u8]) -> Result<AssetCall, WireError> {
        AssetCall::decode(bytes)
    }

    fn weight(&self, message: &AssetCall) -> u64 {
        match message {
            AssetCall::Create(_) | AssetCall::Freeze(_) | AssetCall::Unfreeze(_) => 10,
            AssetCall::Mint(_) | AssetCall::Burn(_) | AssetCall::Transfer(_) => 20,
        }
    }

    fn access(&self, caller: &Caller, message: &AssetCall) -> Access {
        calls::access(caller, message)
    }

    fn execute(&self, call: Checked<AssetCall>, ctx: &mut Ctx<'_, '_>) -> Result<(), Failure> {
        match call.into_inner() {
            AssetCall::Create(call) => calls::create(ctx, &call),
            AssetCall::Mint(call) => calls::mint(ctx, &call),
            AssetCall::Burn(call) => calls::burn(ctx, &call),
            AssetCall::Transfer(call) => calls::transfer(ctx, &call),
            AssetCall::Freeze(call) => calls::set_frozen(ctx, &call.account, true),
            AssetCall::Unfreeze(call) => calls::set_frozen(ctx, &call.account, false),
        }
    }
}
