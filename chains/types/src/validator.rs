//! Validators and their set, in CometBFT's order and under CometBFT's hash.

use crate::{
    header::FormatError,
    ids::Address,
    limits::{TOTAL_POWER_MAX, VALIDATORS_MAX},
};
use catenary_crypto::{Hash, PublicKey};
use tendermint::validator::{Info, Set};
use tendermint_proto::{Protobuf, v0_38::types::ValidatorSet as RawSet};

crate::message! {
    /// One member of a consensus group.
    pub struct Validator {
        /// The key that votes.
        1 => public_key: PublicKey,
        /// Voting power, at least 1.
        2 => power: u64,
    }
}

impl Validator {
    /// The address in headers and certificates.
    pub fn address(&self) -> Address {
        Address::of(&self.public_key)
    }
}

/// Members in canonical order: power descending, then address ascending. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatorSet {
    validators: Vec<Validator>,
    addresses: Vec<Address>,
    total_power: u64,
    hash: Hash,
}

impl ValidatorSet {
    /// Sorts and checks: at least one member, none twice, no power of 0, total at most 2⁶³/8.
    pub fn new(mut validators: Vec<Validator>) -> Result<Self, FormatError> {
        validators.sort_by_key(|v| (std::cmp::Reverse(v.power), v.address()));
        let addresses: Vec<_> = validators.iter().map(Validator::address).collect();
        let mut unique = addresses.clone();
        unique.sort();
        unique.dedup();
        let total = validators.iter().try_fold(0u64, |sum, v| sum.checked_add(v.power));
        let valid = (1..=VALIDATORS_MAX).contains(&validators.len())
            && unique.len() == validators.len()
            && validators.iter().all(|v| v.power > 0)
            && total.is_some_and(|total| total <= TOTAL_POWER_MAX);
        if !valid {
            return Err(FormatError::ValidatorSet);
        }
        let mut set =
            Self { validators, addresses, total_power: total.unwrap_or_default(), hash: Hash::default() };
        set.hash =
            Hash::from_slice(set.to_tendermint()?.hash().as_bytes()).ok_or(FormatError::ValidatorSet)?;
        Ok(set)
    }

    /// Members in canonical order.
    pub fn validators(&self) -> &[Validator] {
        &self.validators
    }

    /// Addresses in canonical order.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Whether no member's vote weighs more than another's.
    pub fn has_equal_powers(&self) -> bool {
        self.validators.iter().all(|validator| validator.power == self.validators[0].power)
    }

    /// The sum of all powers.
    pub fn total_power(&self) -> u64 {
        self.total_power
    }

    /// CometBFT's hash of the set.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// Where a member stands.
    pub fn index_of(&self, address: &Address) -> Option<usize> {
        self.addresses.iter().position(|member| member == address)
    }

    /// The member of an address.
    pub fn by_address(&self, address: &Address) -> Option<&Validator> {
        self.index_of(address).map(|index| &self.validators[index])
    }

    /// As the stock verifiers take it; names the first member as proposer, which is not hashed.
    pub fn to_tendermint(&self) -> Result<Set, FormatError> {
        let info = |validator: &Validator| {
            let key = tendermint::PublicKey::from_raw_ed25519(&validator.public_key.0);
            let power = tendermint::vote::Power::try_from(validator.power);
            match (key, power) {
                (Some(key), Ok(power)) => Ok(Info::new(key, power)),
                _ => Err(FormatError::ValidatorSet),
            }
        };
        let infos = self.validators.iter().map(info).collect::<Result<Vec<_>, _>>()?;
        let proposer = infos.first().cloned();
        Ok(Set::new(infos, proposer))
    }

    /// `tendermint.types.ValidatorSet`.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        Ok(Protobuf::<RawSet>::encode_vec(self.to_tendermint()?))
    }

    /// Reads `tendermint.types.ValidatorSet` in canonical order, with a proposer that is a member, one encoding.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let set = <Set as Protobuf<RawSet>>::decode_vec(bytes).map_err(|_| FormatError::ValidatorSet)?;
        if Protobuf::<RawSet>::encode_vec(set.clone()) != bytes {
            return Err(FormatError::NotCanonical);
        }
        let proposer = set.proposer().as_ref().map(|info| info.address);
        let member = proposer.is_some_and(|address| set.validators().iter().any(|v| v.address == address));
        let validators = set.validators().iter().map(|info| {
            let key = info.pub_key.ed25519().and_then(|key| PublicKey::from_slice(key.as_bytes()));
            key.map(|public_key| Validator { public_key, power: info.power.value() })
        });
        let validators: Vec<_> = validators.collect::<Option<_>>().ok_or(FormatError::ValidatorSet)?;
        let decoded = Self::new(validators.clone())?;
        if member && decoded.validators == validators { Ok(decoded) } else { Err(FormatError::ValidatorSet) }
    }
}
