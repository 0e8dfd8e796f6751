//! Keys of the `asset` store. Variable parts carry their length, so no key is a prefix of another.
//!
//! | Key | Value |
//! |---|---|
//! | `01 ‖ length ‖ asset` | [`super::AssetRecord`] |
//! | `02 ‖ account (20) ‖ length ‖ asset` | balance, 16 bytes big-endian; no key means 0 |
//! | `03 ‖ length ‖ asset` | supply, 16 bytes big-endian |
//! | `04 ‖ length ‖ lane ‖ length ‖ asset` | escrow, 16 bytes big-endian |
//! | `05 ‖ account (20)` | `01` while frozen |

use super::messages::LaneName;
use catenary_types::{AccountId, AssetId};

/// A typed key of the `asset` store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AssetKey<'a> {
    /// The asset itself.
    Record(&'a AssetId),
    /// What an account holds.
    Balance {
        /// Whose.
        account: &'a AccountId,
        /// Of what.
        asset: &'a AssetId,
    },
    /// How much exists on this chain.
    Supply(&'a AssetId),
    /// What a lane holds for packets in flight and vouchers abroad.
    Escrow {
        /// The lane.
        lane: &'a LaneName,
        /// Of what.
        asset: &'a AssetId,
    },
    /// Whether an account is frozen.
    Frozen(&'a AccountId),
}

pub(super) const TAG_BALANCE: u8 = 2;
pub(super) const TAG_SUPPLY: u8 = 3;
pub(super) const TAG_ESCROW: u8 = 4;

impl AssetKey<'_> {
    /// The bytes under which the value stands.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Record(asset) => [&[1], &text(asset.as_str())[..]].concat(),
            Self::Balance { account, asset } => {
                [&[TAG_BALANCE], &account.0[..], &text(asset.as_str())].concat()
            }
            Self::Supply(asset) => [&[TAG_SUPPLY], &text(asset.as_str())[..]].concat(),
            Self::Escrow { lane, asset } => {
                [&[TAG_ESCROW], &text(lane.as_str())[..], &text(asset.as_str())].concat()
            }
            Self::Frozen(account) => [&[5], &account.0[..]].concat(),
        }
    }
}

fn text(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).expect("identifiers are shorter than 256 bytes");
    [&[length], text.as_bytes()].concat()
}
