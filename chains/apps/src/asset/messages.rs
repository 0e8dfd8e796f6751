//! Calls and records of the `asset` app.

use crate::accounts::AccountName;
use catenary_types::{AccountId, Amount, AssetId, Height, IdError, Organisation};
use std::{fmt, str::FromStr, sync::Arc};

catenary_types::oneof! {
    /// A call of the `asset` app.
    pub enum AssetCall {
        /// A new asset of the caller's organisation.
        1 => Create(Create),
        /// New money.
        2 => Mint(Mint),
        /// Money taken out of the world.
        3 => Burn(Burn),
        /// Money from the caller to somebody else on this chain.
        4 => Transfer(Transfer),
        /// Nothing goes in or out of an account, refunds excepted.
        5 => Freeze(Freeze),
        /// Undoes a freeze.
        6 => Unfreeze(Unfreeze),
    }
}

catenary_types::message! {
    /// Creates an asset. The caller is an issuer; the name has no `/`, which marks vouchers.
    pub struct Create {
        /// Its name.
        1 => asset: AssetId,
        /// Digits of the minor unit, 2 for halir or cent; at most 18.
        2 => decimals: u32,
    }

    /// Mints. The caller is an issuer of the asset's organisation.
    pub struct Mint {
        /// Of what.
        1 => asset: AssetId,
        /// To whom; opened if this is its first credit.
        2 => to: AccountName,
        /// How much, in minor units.
        3 => amount: Amount,
    }

    /// Burns from the caller's own account. The caller is an issuer of the asset's organisation.
    pub struct Burn {
        /// Of what.
        1 => asset: AssetId,
        /// How much, in minor units.
        2 => amount: Amount,
    }

    /// Pays on this chain.
    pub struct Transfer {
        /// In what.
        1 => asset: AssetId,
        /// To whom; opened if this is its first credit.
        2 => to: AccountName,
        /// How much, in minor units.
        3 => amount: Amount,
        /// For people, at most 256 bytes.
        4 => memo: String,
    }

    /// Freezes an account. The caller is a regulator, or an operator of the account's organisation.
    pub struct Freeze {
        /// The account.
        1 => account: AccountId,
    }

    /// Undoes a freeze; the same callers.
    pub struct Unfreeze {
        /// The account.
        1 => account: AccountId,
    }

    /// An asset.
    pub struct AssetRecord {
        /// Who issues it; none for a voucher, which only its lane mints.
        1 => issuer: Option<Organisation>,
        /// Digits of the minor unit.
        2 => decimals: u32,
        /// Where it was created.
        3 => created: Height,
    }
}

/// The name of a lane that holds escrow: the client id of the counterparty.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LaneName(Arc<str>);

impl LaneName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LaneName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(Self(text.into()));
        }
        let actual = text.chars().take(80).collect();
        Err(IdError { expected: "a lane of 1 to 64 visible ASCII characters", actual })
    }
}

impl fmt::Display for LaneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
