//! The invariant of money, checked over a whole state: per asset, accounts and escrows hold exactly the supply.

use super::keys::{TAG_BALANCE, TAG_ESCROW, TAG_SUPPLY};
use catenary_ledger::{State, stores::ASSET};
use catenary_types::{Amount, AssetId};
use std::collections::BTreeMap;

/// One asset of a chain in sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Supply {
    /// What was minted and not burnt.
    pub issued: Amount,
    /// What accounts hold.
    pub free: Amount,
    /// What lanes hold.
    pub escrowed: Amount,
}

/// A state in which money appeared or vanished.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// The sums differ.
    #[error("{asset}: issued {}, but accounts hold {} and escrows {}", supply.issued, supply.free, supply.escrowed)]
    Unbalanced {
        /// Which asset.
        asset: AssetId,
        /// Its sums.
        supply: Supply,
    },
    /// A key or value that no code of ours writes.
    #[error("the asset store holds a malformed entry {0:02x?}")]
    Malformed(Vec<u8>),
}

/// Sums of every asset, or the first one that does not add up.
pub fn audit(state: &State) -> Result<BTreeMap<AssetId, Supply>, AuditError> {
    let mut supplies = BTreeMap::<AssetId, Supply>::new();
    let entries =
        state.stores().iter_store(state.height().0, ASSET).expect("the latest version is always there");
    for (key, value) in entries {
        let malformed = || AuditError::Malformed(key.to_vec());
        let (asset, add): (&[u8], fn(&mut Supply) -> &mut Amount) = match key[0] {
            TAG_SUPPLY => (&key[2..], |supply| &mut supply.issued),
            TAG_BALANCE => (key.get(22..).ok_or_else(malformed)?, |supply| &mut supply.free),
            TAG_ESCROW => {
                let lane = usize::from(*key.get(1).ok_or_else(malformed)?);
                (key.get(3 + lane..).ok_or_else(malformed)?, |supply| &mut supply.escrowed)
            }
            _ => continue,
        };
        let asset: AssetId =
            std::str::from_utf8(asset).ok().and_then(|text| text.parse().ok()).ok_or_else(malformed)?;
        let amount = Amount(u128::from_be_bytes(value.try_into().map_err(|_| malformed())?));
        let sum = add(supplies.entry(asset).or_default());
        *sum = sum.checked_add(amount).ok_or_else(malformed)?;
    }
    match supplies.iter().find(|(_, supply)| supply.free.checked_add(supply.escrowed) != Some(supply.issued))
    {
        None => Ok(supplies),
        Some((asset, supply)) => Err(AuditError::Unbalanced { asset: asset.clone(), supply: *supply }),
    }
}
