//! Whether a certificate makes a block final.

use catenary_crypto::{VerificationItem, sha256_parts, verify_batch};
use catenary_types::{
    Certificate, ChainId, CommitSignature, Parameters, Timestamp, ValidatorSet, VoteKind, sign_bytes,
};

/// Why a certificate proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not one entry per validator.
    #[error("expected {expected} entries, one per validator, got {actual}")]
    Length {
        /// Size of the set.
        expected: usize,
        /// Entries.
        actual: usize,
    },
    /// An entry names another validator than the set does, or another time than the header.
    #[error("entry {index} is not of the validator at its place, or not of the header's time")]
    Entry {
        /// Which.
        index: usize,
    },
    /// A signature does not verify.
    #[error("the signature of entry {index} does not verify")]
    Signature {
        /// Which.
        index: usize,
    },
    /// Too little power signed.
    #[error("signatures carry {actual} of {total} power, more than {numerator}/{denominator} is needed")]
    Power {
        /// Power that signed.
        actual: u64,
        /// Power of the set.
        total: u64,
        /// Of the quorum.
        numerator: u64,
        /// Of the quorum.
        denominator: u64,
    },
}

/// Checks a certificate for a header of this time against the set that should have signed it.
pub fn verify_certificate(
    certificate: &Certificate,
    chain_id: &ChainId,
    validators: &ValidatorSet,
    parameters: &Parameters,
    time: Timestamp,
) -> Result<(), CertificateError> {
    let (expected, actual) = (validators.validators().len(), certificate.signatures.len());
    if expected != actual {
        return Err(CertificateError::Length { expected, actual });
    }
    let message = sign_bytes::vote(
        chain_id,
        VoteKind::Precommit,
        certificate.height,
        certificate.round,
        Some(certificate.block),
        time,
    );
    let mut signed = Vec::new();
    let mut power = 0;
    for (index, entry) in certificate.signatures.iter().enumerate() {
        let CommitSignature::Commit { address, time: voted, signature } = entry else { continue };
        if *address != validators.addresses()[index] || *voted != time {
            return Err(CertificateError::Entry { index });
        }
        let validator = &validators.validators()[index];
        power += validator.power;
        signed.push((
            index,
            VerificationItem { key: validator.public_key, message: &message, signature: *signature },
        ));
    }
    let (numerator, denominator) = (parameters.quorum_numerator, parameters.quorum_denominator);
    let total = validators.total_power();
    if u128::from(power) * u128::from(denominator) <= u128::from(total) * u128::from(numerator) {
        return Err(CertificateError::Power { actual: power, total, numerator, denominator });
    }
    let items: Vec<_> = signed.iter().map(|(_, item)| *item).collect();
    let seed = sha256_parts(&[&certificate.encode()]).0;
    let results = verify_batch(&items, seed);
    match results.iter().position(Result::is_err) {
        None => Ok(()),
        Some(at) => Err(CertificateError::Signature { index: signed[at].0 }),
    }
}
