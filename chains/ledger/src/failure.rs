//! Why a transaction failed: one published list of reasons, with the particulars beside them.

use catenary_types::WireError;

/// Defines the reasons: variant, published number, published name.
macro_rules! reasons {
    ($( $(#[$meta:meta])* $variant:ident = $code:literal, $name:literal; )+) => {
        /// A published reason. Numbers and names are part of receipts and never change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $( $(#[$meta])* $variant, )+
        }

        impl Reason {
            /// Every reason, in order of definition.
            pub const ALL: &[Self] = &[$( Self::$variant, )+];

            /// The receipt's `code`.
            pub fn code(self) -> u32 {
                match self { $( Self::$variant => $code, )+ }
            }

            /// The receipt's `reason`.
            pub fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )+ }
            }
        }
    };
}

reasons! {
    /// Our own code failed an assertion; the call was undone. An alarm for the operator.
    Internal = 1, "INTERNAL";
    /// The call's bytes are not a canonical message of the instance.
    MalformedCall = 2, "MALFORMED_CALL";
    /// No such app instance, or one whose code this chain does not run.
    UnknownInstance = 3, "UNKNOWN_INSTANCE";
    /// The transaction used more weight than it may.
    OutOfWeight = 4, "OUT_OF_WEIGHT";
    /// The caller lacks the role, or it is not his to decide.
    NotAuthorised = 5, "NOT_AUTHORISED";
    /// A rule of the chain denied it; the detail names rule and reason.
    Denied = 6, "DENIED";
    /// The sender used this reference before; the detail names the first transaction.
    ReferenceUsed = 7, "REFERENCE_USED";
    /// An argument is outside what the call takes.
    InvalidArgument = 8, "INVALID_ARGUMENT";
    /// What should be made exists.
    AlreadyExists = 9, "ALREADY_EXISTS";
    /// What is named does not exist.
    NotFound = 10, "NOT_FOUND";
    /// The account does not hold that much.
    InsufficientBalance = 11, "INSUFFICIENT_BALANCE";
    /// The account is frozen.
    AccountFrozen = 12, "ACCOUNT_FROZEN";
    /// A sum does not fit 128 bits.
    Overflow = 13, "OVERFLOW";
    /// The light client is frozen; governance must recover it.
    ClientFrozen = 14, "CLIENT_FROZEN";
    /// The light client's newest header is older than its trusting period.
    ClientExpired = 15, "CLIENT_EXPIRED";
    /// The header or its certificate does not verify.
    InvalidHeader = 16, "INVALID_HEADER";
    /// The proof does not verify against the header.
    InvalidProof = 17, "INVALID_PROOF";
    /// The packet is not one of this lane, or not well formed.
    InvalidPacket = 18, "INVALID_PACKET";
    /// The deadline is past, too near or too far.
    InvalidTimeout = 19, "INVALID_TIMEOUT";
    /// Every packet of the batch was settled before.
    Redundant = 20, "REDUNDANT";
    /// A limit of the lane or the chain is reached.
    LimitExceeded = 21, "LIMIT_EXCEEDED";
}

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", reason.name())]
pub struct Failure {
    /// Which of the published reasons.
    pub reason: Reason,
    /// What was expected and what came, for people.
    pub detail: String,
}

impl Failure {
    /// A failure with its particulars.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

impl From<WireError> for Failure {
    fn from(error: WireError) -> Self {
        Self::new(Reason::MalformedCall, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::Reason;
    use std::collections::BTreeSet;

    #[test]
    fn codes_and_names_are_unique_and_no_code_is_zero() {
        let codes: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        let names: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!((codes.len(), names.len()), (Reason::ALL.len(), Reason::ALL.len()));
        assert!(!codes.contains(&0));
    }
}
