//! Whether a certificate makes a block final.

pub use catenary_types::CertificateError;
use catenary_types::{Certificate, ChainId, Parameters, Timestamp, ValidatorSet};

/// Checks a certificate for a header of this time against the set that should have signed it.
pub fn verify_certificate(
    certificate: &Certificate,
    chain_id: &ChainId,
    validators: &ValidatorSet,
    parameters: &Parameters,
    time: Timestamp,
) -> Result<(), CertificateError> {
    certificate.verify(chain_id, validators, parameters, time)
}
