//! Amounts of money: unsigned 128-bit integers in minor units, written as decimal strings.

use std::{fmt, str::FromStr};

/// An amount in minor units (halir, cent). On the wire a decimal string without leading zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(pub u128);

/// Text that is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a decimal integer of at most 128 bits without sign or leading zeros, got {text:?}")]
pub struct AmountError {
    /// The text, cut to 64 characters.
    pub text: String,
}

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The sum, unless it does not fit.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, unless it would be negative.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let canonical = digits && (text == "0" || !text.starts_with('0'));
        let amount = canonical.then(|| text.parse().ok()).flatten();
        amount.map(Self).ok_or_else(|| AmountError { text: text.chars().take(64).collect() })
    }
}

crate::text_item!(Amount);
