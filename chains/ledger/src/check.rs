//! Whether a well-formed transaction may stand in a block, given the state before the block.
//!
//! Everything but the signatures themselves: those are verified in batches, beside the machines, over
//! [`Transaction::signed_bytes`]. The order is by cost, so that strangers cost one look-up.

use crate::{
    records::ReadRecords,
    replay::{ReplayWindow, minute},
};
use catenary_crypto::PublicKey;
use catenary_mutant::{Mutant, is_active};
use catenary_types::{
    AccountId, ChainId, Height, Parameters, RequestId, Timestamp, UnixSeconds, envelope::Transaction,
};

/// Why a transaction may not stand in a block. A block that holds one is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Inadmissible {
    /// Made for another chain, perhaps an earlier one of the same name.
    #[error("expected a transaction for chain {expected}, got one for {actual}")]
    WrongChain {
        /// This chain.
        expected: ChainId,
        /// The transaction's.
        actual: ChainId,
    },
    /// No such account.
    #[error("account {0} is unknown on this chain")]
    UnknownSender(AccountId),
    /// Its time is over; it was not applied and never will be.
    #[error("valid until second {valid_until}, the block is of second {time}")]
    Expired {
        /// Last second at which it could be applied.
        valid_until: UnixSeconds,
        /// Header time.
        time: UnixSeconds,
    },
    /// It asks to be valid for longer than the chain remembers.
    #[error("valid until second {valid_until}, at most {limit} is allowed now")]
    ValidTooLong {
        /// What it asks for.
        valid_until: UnixSeconds,
        /// Header time plus the window.
        limit: UnixSeconds,
    },
    /// The id was used by this sender and is still remembered.
    #[error("request id {0} was used before")]
    Repeated(RequestId),
    /// A key that signed is not one of the account's, or does not count at this height.
    #[error("key {0} does not sign for the sender at this height")]
    UnknownKey(PublicKey),
    /// Too little weight signed.
    #[error("signatures weigh {actual}, the account asks for {threshold}")]
    TooLittleWeight {
        /// What the account asks for.
        threshold: u32,
        /// What signed.
        actual: u64,
    },
}

/// Checks a transaction against the state before the block.
///
/// The replay window is that of the block before; ids entered earlier in the same block are the caller's to compare.
pub fn check_state(
    records: &impl ReadRecords,
    replay: &ReplayWindow,
    parameters: &Parameters,
    chain_id: &ChainId,
    transaction: &Transaction,
    (height, time): (Height, Timestamp),
) -> Result<(), Inadmissible> {
    let body = &transaction.body;
    if body.chain_id != *chain_id {
        return Err(Inadmissible::WrongChain { expected: chain_id.clone(), actual: body.chain_id.clone() });
    }
    let account = records.account(&body.sender).ok_or(Inadmissible::UnknownSender(body.sender))?;
    let now = time.seconds();
    if body.valid_until < now {
        return Err(Inadmissible::Expired { valid_until: body.valid_until, time: now });
    }
    let limit = UnixSeconds(now.0.saturating_add(parameters.validity_window_s));
    if body.valid_until > limit {
        return Err(Inadmissible::ValidTooLong { valid_until: body.valid_until, limit });
    }
    if replay.contains(&(body.sender, body.request_id), minute(now))
        && !is_active(Mutant::ReplayWindowIgnored)
    {
        return Err(Inadmissible::Repeated(body.request_id));
    }
    for signature in &transaction.signatures {
        let known = account
            .keys
            .iter()
            .any(|key| key.key == signature.key && key.scheme == signature.scheme && key.is_active(height));
        if !known {
            return Err(Inadmissible::UnknownKey(signature.key));
        }
    }
    let signed = |key: &PublicKey| transaction.signatures.iter().any(|signature| signature.key == *key);
    let actual = account.weight(height, |key| signed(&key.key));
    if account.threshold == 0 || actual < u64::from(account.threshold) {
        return Err(Inadmissible::TooLittleWeight { threshold: account.threshold.max(1), actual });
    }
    Ok(())
}
