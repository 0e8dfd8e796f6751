//! A keyed hash in the place of signatures, for simulations alone: a hundred times cheaper, and anybody can forge it.
//!
//! It is compiled with the feature `cheap-suite` only, and even then a process must ask for it, once and for good.

use crate::{
    ed25519::{PublicKey, Signature},
    hash::sha256_parts,
};
use std::sync::atomic::{AtomicBool, Ordering};

static ON: AtomicBool = AtomicBool::new(false);

/// From here on every signature that this process makes or checks is a keyed hash.
pub fn replace_signatures() {
    ON.store(true, Ordering::Relaxed);
}

pub(crate) fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

pub(crate) fn sign(key: &PublicKey, message: &[u8]) -> Signature {
    let half = |number: u8| sha256_parts(&[b"cheap", &[number], &key.0, message]);
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&half(0).0);
    signature[32..].copy_from_slice(&half(1).0);
    Signature(signature)
}
