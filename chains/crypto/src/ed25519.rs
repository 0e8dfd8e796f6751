//! Ed25519: keys, signatures and the one validity rule, ZIP-215.

use crate::{batch::BatchVerifier, hash::sha256};
use ed25519_zebra::{
    Signature as ZebraSignature, SigningKey as ZebraSigningKey, VerificationKey, VerificationKeyBytes,
};
use std::{
    fmt,
    str::FromStr,
    sync::atomic::{AtomicU64, Ordering},
};

/// An Ed25519 public key, 32 bytes as sent; whether it is a point is found out when a signature is checked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

/// An Ed25519 signature, 64 bytes as sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature(pub [u8; 64]);

/// An Ed25519 private key. Boxed: it is large, prepared for signing, and moved about when a chain starts.
pub struct SigningKey(Box<ZebraSigningKey>);

/// A signature that does not verify. Says nothing about why: the caller knows whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify under the given key")]
pub struct VerifyError;

/// One check of a batch.
#[derive(Clone, Copy)]
pub struct VerificationItem<'a> {
    /// Who is said to have signed.
    pub key: PublicKey,
    /// What is said to be signed.
    pub message: &'a [u8],
    /// The signature.
    pub signature: Signature,
}

impl PublicKey {
    /// Reads exactly 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl Signature {
    /// Reads exactly 64 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// R and s.
    pub(crate) fn halves(&self) -> (&[u8; 32], &[u8; 32]) {
        let (r, rest) = self.0.split_first_chunk().expect("a signature has 64 bytes");
        (r, rest.first_chunk().expect("and so the other half 32"))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A text that is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a key of 64 hexadecimal digits")]
pub struct ParseKeyError;

impl FromStr for PublicKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let digits = text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        let mut key = [0; 32];
        for (byte, pair) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| ParseKeyError)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| ParseKeyError)?;
        }
        if digits { Ok(Self(key)) } else { Err(ParseKeyError) }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public_key())
    }
}

impl SigningKey {
    /// The key of a 32-byte seed (RFC 8032). The caller answers for where the seed comes from.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Box::new(ZebraSigningKey::from(*seed)))
    }

    /// The public half.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(VerificationKeyBytes::from(&*self.0).into())
    }

    /// Signs; the same message always gives the same signature.
    pub fn sign(&self, message: &[u8]) -> Signature {
        #[cfg(feature = "cheap-suite")]
        if crate::cheap::is_on() {
            return crate::cheap::sign(&self.public_key(), message);
        }
        Signature(self.0.sign(message).to_bytes())
    }
}

/// CometBFT's address of a key: the first 20 bytes of its SHA-256.
pub fn address(key: &PublicKey) -> [u8; 20] {
    let mut address = [0; 20];
    address.copy_from_slice(&sha256(&key.0).0[..20]);
    address
}

static VERIFIED: AtomicU64 = AtomicU64::new(0);

/// How many signatures this process has checked, one by one or in batches: a figure for operators, read by no rule.
pub fn signatures_verified() -> u64 {
    VERIFIED.load(Ordering::Relaxed)
}

/// Checks one signature under ZIP-215.
pub fn verify(key: &PublicKey, message: &[u8], signature: &Signature) -> Result<(), VerifyError> {
    count_verified(1);
    #[cfg(feature = "cheap-suite")]
    if crate::cheap::is_on() {
        return if crate::cheap::sign(key, message) == *signature { Ok(()) } else { Err(VerifyError) };
    }
    let key = VerificationKey::try_from(VerificationKeyBytes::from(key.0)).map_err(|_| VerifyError)?;
    key.verify(&ZebraSignature::from(signature.0), message).map_err(|_| VerifyError)
}

/// Checks many signatures at once, as [`BatchVerifier::verify`] does without knowing a key.
pub fn verify_batch(items: &[VerificationItem<'_>], seed: [u8; 32]) -> Vec<Result<(), VerifyError>> {
    BatchVerifier::default().verify(items, seed)
}

pub(crate) fn count_verified(signatures: u64) {
    VERIFIED.fetch_add(signatures, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
    }

    /// The third example of RFC 8032, section 7.1.
    #[test]
    fn signs_as_the_standard_says() {
        let seed = bytes("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7");
        let signature = bytes(
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
             18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        );
        let key = SigningKey::from_seed(&seed);
        let public = bytes("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
        assert_eq!(key.public_key(), PublicKey(public));
        assert_eq!(key.sign(&[0xaf, 0x82]), Signature(signature));
    }
}
