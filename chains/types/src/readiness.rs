//! Readiness: a validator's word that it has come to a state of the chain and can vote.

use crate::{
    ids::{Address, ChainId},
    time::{Height, Timestamp},
};
use catenary_crypto::{Hash, PublicKey, Signature, SigningKey, VerifyError, verify};

/// Sets these signatures apart from all others.
const TAG: &[u8] = b"catenary/ready/1";

crate::message! {
    /// What a validator, or somebody who is to become one, says of itself at a moment.
    pub struct Readiness {
        /// Whose key signed this.
        1 => validator: PublicKey,
        /// The newest block that it has executed.
        2 => height: Height,
        /// Root of its state after that block.
        3 => app_hash: Hash,
        /// When it said so, by its own clock.
        4 => time: Timestamp,
        /// Over tag, chain id with its length (1 byte), height and time (8 bytes each, big-endian), root.
        5 => signature: Signature,
    }
}

impl Readiness {
    /// The word of a key.
    pub fn sign(
        chain_id: &ChainId,
        key: &SigningKey,
        (height, app_hash): (Height, Hash),
        time: Timestamp,
    ) -> Self {
        let signature = key.sign(&bytes(chain_id, height, &app_hash, time));
        Self { validator: key.public_key(), height, app_hash, time, signature }
    }

    /// Checks that the key signed this for this chain.
    pub fn verify(&self, chain_id: &ChainId) -> Result<(), VerifyError> {
        verify(&self.validator, &bytes(chain_id, self.height, &self.app_hash, self.time), &self.signature)
    }

    /// The validator.
    pub fn address(&self) -> Address {
        Address::of(&self.validator)
    }
}

fn bytes(chain_id: &ChainId, height: Height, app_hash: &Hash, time: Timestamp) -> Vec<u8> {
    let id = chain_id.as_str().as_bytes();
    let length = [u8::try_from(id.len()).expect("chain ids are at most 50 bytes")];
    [TAG, &length, id, &height.0.to_be_bytes(), &time.0.to_be_bytes(), app_hash.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_counts_for_one_key_chain_and_moment() {
        let chain_id: ChainId = "ab-0123456789abcdef-1".parse().unwrap();
        let other: ChainId = "ab-0123456789abcdef-2".parse().unwrap();
        let key = SigningKey::from_seed(&[1; 32]);
        let word = Readiness::sign(&chain_id, &key, (Height(7), Hash([3; 32])), Timestamp(5));
        assert_eq!(word.verify(&chain_id), Ok(()));
        assert!(word.verify(&other).is_err());
        let stranger = SigningKey::from_seed(&[2; 32]).public_key();
        for altered in [
            Readiness { validator: stranger, ..word.clone() },
            Readiness { height: Height(8), ..word.clone() },
            Readiness { app_hash: Hash([4; 32]), ..word.clone() },
            Readiness { time: Timestamp(6), ..word.clone() },
        ] {
            assert!(altered.verify(&chain_id).is_err(), "{altered:?}");
        }
    }
}
