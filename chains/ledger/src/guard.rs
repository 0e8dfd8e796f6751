//! Rules that run before a call and before a credit that a packet causes.
//!
//! A guard denies, it never changes anything. Acknowledgements and timeouts pass no guard: what was sent must be able
//! to settle.

use crate::{
    ctx::Caller,
    failure::{Failure, Reason},
    overlay::Overlay,
};
use catenary_types::{AccountId, Amount, AssetId, InstanceName};

/// What a guard judges.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// A call of a transaction.
    Call {
        /// Who calls.
        caller: &'a Caller,
        /// The instance that is called.
        instance: &'a InstanceName,
        /// The call's message.
        message: &'a [u8],
    },
    /// A credit that a packet causes.
    Credit {
        /// Who would be credited.
        account: &'a AccountId,
        /// In which asset.
        asset: &'a AssetId,
        /// How much.
        amount: Amount,
    },
}

/// A denial, as it stands in the receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The rule that denied.
    pub rule: String,
    /// Why, for people.
    pub reason: String,
}

/// A rule. Deterministic, like everything that executes.
pub trait Guard: Send + Sync {
    /// Denies or lets pass.
    fn check(&self, state: &Overlay<'_>, subject: &Subject<'_>) -> Result<(), Denial>;
}

impl From<Denial> for Failure {
    fn from(denial: Denial) -> Self {
        Self::new(Reason::Denied, format!("rule {}: {}", denial.rule, denial.reason))
    }
}
