//! Why a header is not accepted.

use catenary_ledger::{Failure, Reason};
use catenary_types::{Height, Timestamp, WireError};

/// A header, certificate or set that proves nothing. Always the fault of whoever sent it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// More bytes than the client reads.
    #[error("expected at most {limit} bytes of header, certificate and sets, got {actual}")]
    TooLarge {
        /// The client's limit.
        limit: u64,
        /// What came.
        actual: usize,
    },
    /// Bytes that can be read in more than one way, or in none.
    #[error("{what}: {error}")]
    Wire {
        /// Which message.
        what: &'static str,
        /// What is wrong with it.
        error: WireError,
    },
    /// A field that no valid header, certificate or set has.
    #[error("{what}: expected {expected}")]
    Form {
        /// Which message.
        what: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// The header speaks of another set than the one given.
    #[error("{what} has another hash than the header says")]
    SetHash {
        /// Which set.
        what: &'static str,
    },
    /// The stock verifier refuses the header against the trusted one.
    #[error("{0}")]
    Stock(String),
    /// The client has no state at the trusted height.
    #[error("trusted height {0} is unknown to the client, or pruned")]
    UnknownTrusted(Height),
    /// Too many kept heights lie between the trusted height and the header.
    #[error("trusted height {0} is too far below the header; name a nearer one")]
    TrustedTooFar(Height),
    /// A signature does not verify.
    #[error("signature {index} does not verify")]
    Signature {
        /// Its place in the certificate.
        index: usize,
    },
    /// A signature stands where another validator's belongs.
    #[error("signature {index} is not of the validator of that place")]
    SignerOrder {
        /// Its place in the certificate.
        index: usize,
    },
    /// One validator signed twice.
    #[error("the signer of signature {index} stands in the certificate twice")]
    SignerTwice {
        /// The second place.
        index: usize,
    },
    /// Too little power signed.
    #[error("{whose}: power {actual} of {total} signed, more than {numerator}/{denominator} is needed")]
    Power {
        /// Whose power.
        whose: &'static str,
        /// What signed.
        actual: u64,
        /// All of it.
        total: u64,
        /// What is needed.
        numerator: u64,
        /// What is needed.
        denominator: u64,
    },
    /// Parameters that the header does not commit to, or with a quorum that makes nothing final.
    #[error("the parameters are not those under the header's consensus hash, or have no valid quorum")]
    Parameters,
    /// Two headers of a misbehaviour message in the wrong order.
    #[error("expected the first header at the greater or equal height, got {first} and {second}")]
    EvidenceOrder {
        /// Height of the first.
        first: Height,
        /// Height of the second.
        second: Height,
    },
    /// The client's newest header is too old to trust.
    #[error(
        "the newest header is of {latest_time:?}, older than the trusting period of {trusting_period_s} s"
    )]
    Expired {
        /// The newest header's time.
        latest_time: Timestamp,
        /// The client's trusting period.
        trusting_period_s: u64,
    },
}

impl From<HeaderError> for Failure {
    fn from(error: HeaderError) -> Self {
        let reason = match error {
            HeaderError::Expired { .. } => Reason::ClientExpired,
            _ => Reason::InvalidHeader,
        };
        Self::new(reason, error.to_string())
    }
}
