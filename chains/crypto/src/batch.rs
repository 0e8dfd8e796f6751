//! Many signatures at once.
//!
//! One equation holds for all of them, or one of them is wrong:
//!
//! ```text
//! 8 * ( sum(z_i * R_i) + sum(z_i * k_i * A_i) - sum(z_i * s_i) * B ) = 0
//! ```
//!
//! with A the key, R and s the halves of the signature, k the hash of R, A and the message, and z a coefficient of 128
//! bits that nobody could foresee. It is the equation of ZIP-215 for a single signature, cofactor included, so both
//! accept the same set. What a check costs is mostly finding the points of A and R from their bytes, and adding up; the
//! point of a key that has been met before is remembered.

use crate::ed25519::{PublicKey, VerificationItem, VerifyError, count_verified, verify};
use curve25519_dalek::{
    EdwardsPoint, Scalar,
    constants::ED25519_BASEPOINT_POINT,
    edwards::CompressedEdwardsY,
    traits::{IsIdentity as _, VartimeMultiscalarMul as _},
};
use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore as _, SeedableRng as _};
use sha2::{Digest as _, Sha512};
use std::collections::BTreeMap;

/// Checks batches of signatures; cheaper for the keys that it knows from earlier ones.
#[derive(Debug, Default)]
pub struct BatchVerifier {
    points: BTreeMap<PublicKey, EdwardsPoint>,
}

/// A batch as one sum.
#[derive(Default)]
struct Sum {
    scalars: Vec<Scalar>,
    points: Vec<EdwardsPoint>,
}

impl BatchVerifier {
    /// Keys remembered; only keys of signatures that verified are. At about 200 bytes each.
    pub const KEYS_MAX: usize = 4_096;

    /// Answers for each item what [`verify`] would.
    ///
    /// The coefficients come from `seed`, which must not be known to whoever made the signatures (a hash over the whole
    /// batch and a node secret will do). A batch that fails is checked item by item, so one bad signature costs time,
    /// never a wrong answer.
    pub fn verify(&mut self, items: &[VerificationItem<'_>], seed: [u8; 32]) -> Vec<Result<(), VerifyError>> {
        #[cfg(feature = "cheap-suite")]
        if crate::cheap::is_on() {
            return items.iter().map(|item| verify(&item.key, item.message, &item.signature)).collect();
        }
        let mut met = BTreeMap::new();
        if self.all_hold(items, seed, &mut met).is_none() {
            return items.iter().map(|item| verify(&item.key, item.message, &item.signature)).collect();
        }
        if self.points.len() + met.len() > Self::KEYS_MAX {
            self.points.clear();
        }
        self.points.extend(met.into_iter().take(Self::KEYS_MAX));
        count_verified(items.len() as u64);
        vec![Ok(()); items.len()]
    }

    /// Whether every item verifies; none if not. `met` gets the keys seen for the first time.
    fn all_hold(
        &self,
        items: &[VerificationItem<'_>],
        seed: [u8; 32],
        met: &mut BTreeMap<PublicKey, EdwardsPoint>,
    ) -> Option<()> {
        let mut coefficients = ChaCha12Rng::from_seed(seed);
        let (mut sum, mut of_base) = (Sum::default(), Scalar::ZERO);
        let mut of_keys: BTreeMap<PublicKey, Scalar> = BTreeMap::new();
        for item in items {
            let (r, s) = item.signature.halves();
            let s: Scalar = Option::from(Scalar::from_canonical_bytes(*s))?;
            let z =
                Scalar::from(u128::from(coefficients.next_u64()) << 64 | u128::from(coefficients.next_u64()));
            let k = Sha512::new().chain_update(r).chain_update(item.key.0).chain_update(item.message);
            of_base -= z * s;
            *of_keys.entry(item.key).or_default() +=
                z * Scalar::from_bytes_mod_order_wide(&k.finalize().into());
            sum.add(z, CompressedEdwardsY(*r).decompress()?);
        }
        for (key, scalar) in of_keys {
            let point = match self.points.get(&key) {
                Some(point) => *point,
                None => *met.entry(key).or_insert(CompressedEdwardsY(key.0).decompress()?),
            };
            sum.add(scalar, point);
        }
        sum.add(of_base, ED25519_BASEPOINT_POINT);
        let total = EdwardsPoint::vartime_multiscalar_mul(sum.scalars, sum.points);
        total.mul_by_cofactor().is_identity().then_some(())
    }
}

impl Sum {
    fn add(&mut self, scalar: Scalar, point: EdwardsPoint) {
        self.scalars.push(scalar);
        self.points.push(point);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Signature, SigningKey};
    use curve25519_dalek::constants::EIGHT_TORSION;

    const MESSAGE: &[u8] = b"message";

    fn item(seed: u8) -> VerificationItem<'static> {
        let key = SigningKey::from_seed(&[seed; 32]);
        VerificationItem { key: key.public_key(), message: MESSAGE, signature: key.sign(MESSAGE) }
    }

    /// Whether the equation itself holds, without the checks one by one behind it.
    fn holds(items: &[VerificationItem<'_>]) -> bool {
        BatchVerifier::default().all_hold(items, [7; 32], &mut BTreeMap::new()).is_some()
    }

    fn is_valid(item: &VerificationItem<'_>) -> bool {
        verify(&item.key, item.message, &item.signature).is_ok()
    }

    /// The points of small order, and those of their encodings that no compression gives.
    fn weak_encodings() -> Vec<[u8; 32]> {
        let near_p = |first: u8, last: u8| {
            let mut bytes = [255; 32];
            (bytes[0], bytes[31]) = (first, last);
            bytes
        };
        let mut one_with_sign = [0; 32];
        (one_with_sign[0], one_with_sign[31]) = (1, 128);
        let odd = [
            one_with_sign,
            near_p(0xec, 255),
            near_p(0xed, 127),
            near_p(0xed, 255),
            near_p(0xee, 127),
            near_p(0xee, 255),
        ];
        EIGHT_TORSION.iter().map(|point| point.compress().to_bytes()).chain(odd).collect()
    }

    #[test]
    fn weak_keys_and_points_verify_as_they_do_alone() {
        let mut all = vec![item(1)];
        for key in weak_encodings() {
            for r in weak_encodings() {
                let mut signature = Signature([0; 64]);
                signature.0[..32].copy_from_slice(&r);
                let weak = VerificationItem { key: PublicKey(key), message: MESSAGE, signature };
                assert!(is_valid(&weak) && holds(&[weak]), "ZIP-215 takes {key:02x?} with {r:02x?}");
                all.push(weak);
            }
        }
        assert_eq!(all.len(), 1 + 14 * 14);
        assert!(holds(&all));
    }

    #[test]
    fn what_is_wrong_alone_is_wrong_in_a_batch() {
        let other_message = VerificationItem { message: b"another", ..item(1) };
        let other_key = VerificationItem { key: item(2).key, ..item(1) };
        let mut no_point = item(1);
        no_point.signature.0[..32].copy_from_slice(&[2; 32]);
        let mut no_key = item(1);
        no_key.key.0 = [2; 32];
        let mut above_order = item(1);
        let s: [u8; 32] = *above_order.signature.halves().1;
        let order_minus_one = (Scalar::ZERO - Scalar::ONE).to_bytes();
        let mut carry = 1;
        for (at, byte) in s.iter().enumerate() {
            carry += u16::from(*byte) + u16::from(order_minus_one[at]);
            above_order.signature.0[32 + at] = carry as u8;
            carry >>= 8;
        }
        for wrong in [other_message, other_key, no_point, no_key, above_order] {
            assert!(!is_valid(&wrong) && !holds(&[item(3), wrong]), "{:?}", wrong.signature);
        }
    }

    #[test]
    fn one_wrong_signature_is_found_and_the_others_stand() {
        let mut items: Vec<_> = (0..20).map(|number| item(number % 7)).collect();
        items[11].message = b"another";
        let mut verifier = BatchVerifier::default();
        let results = verifier.verify(&items, [7; 32]);
        let wrong: Vec<_> = (0..items.len()).filter(|at| results[*at].is_err()).collect();
        assert_eq!(wrong, [11]);
        assert!(verifier.points.is_empty(), "a batch that failed teaches nothing");
    }

    #[test]
    fn a_known_key_is_no_free_pass_and_few_are_remembered() {
        let mut verifier = BatchVerifier::default();
        assert_eq!(verifier.verify(&[item(1), item(2), item(1)], [7; 32]), [Ok(()); 3]);
        assert_eq!(verifier.points.len(), 2);
        let forged = VerificationItem { message: b"another", ..item(1) };
        assert_eq!(verifier.verify(&[forged], [7; 32]), [Err(VerifyError)]);
        assert_eq!(verifier.verify(&[item(1)], [7; 32]), [Ok(())]);

        let point = ED25519_BASEPOINT_POINT;
        let filler = |number: usize| (PublicKey(sha2::Sha256::digest(number.to_be_bytes()).into()), point);
        verifier.points = (0..BatchVerifier::KEYS_MAX).map(filler).collect();
        assert_eq!(verifier.verify(&[item(1)], [7; 32]), [Ok(())]);
        assert_eq!(verifier.points.len(), 1, "a full memory begins anew");
    }
}
