//! What each published reason means on the wire: its name, its code, and whether trying again makes sense.

use crate::api::ErrorReason;
use catenary_relay::gateway::RefusalReason;
use tonic::Code;

impl ErrorReason {
    const PREFIX: &str = "ERROR_REASON_";

    /// Every published reason.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..=u8::MAX).filter_map(|number| Self::try_from(i32::from(number)).ok())
    }

    /// The name in `ErrorInfo.reason`.
    pub fn name(self) -> &'static str {
        let name = self.as_str_name();
        name.strip_prefix(Self::PREFIX).unwrap_or(name)
    }

    /// The reason of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::from_str_name(&format!("{}{name}", Self::PREFIX))
    }

    /// The status code that goes with it.
    pub fn code(self) -> Code {
        match self {
            Self::Unspecified => Code::Internal,
            Self::MalformedEnvelope
            | Self::TooLarge
            | Self::WrongChain
            | Self::ValidTooLong
            | Self::TooHeavy
            | Self::InvalidArgument
            | Self::ResumeTokenInvalid
            | Self::NotATransfer => Code::InvalidArgument,
            Self::UnknownSender | Self::Expired | Self::Redundant | Self::TransactionFailed => {
                Code::FailedPrecondition
            }
            Self::InvalidSignature | Self::NotPermitted => Code::PermissionDenied,
            Self::RequestIdReused => Code::AlreadyExists,
            Self::Busy | Self::SlowConsumer | Self::MessageTooLarge | Self::TooManyStreams => {
                Code::ResourceExhausted
            }
            Self::ChainNotFound
            | Self::TransactionNotFound
            | Self::AccountNotFound
            | Self::BlockNotFound
            | Self::TransferNotFound => Code::NotFound,
            Self::HeightNotAvailable => Code::OutOfRange,
            Self::Halted | Self::DiskFull | Self::ChainUnavailable | Self::ShuttingDown => Code::Unavailable,
            Self::DataDamaged => Code::DataLoss,
            Self::TimedOut => Code::DeadlineExceeded,
        }
    }

    /// After how many milliseconds the same request may be sent again, if that can help. It is always safe: a
    /// submission that was taken before answers as the first time.
    pub fn retry_ms(self) -> Option<u64> {
        match self {
            Self::Busy | Self::SlowConsumer => Some(200),
            Self::ChainUnavailable | Self::TimedOut => Some(1_000),
            Self::Halted | Self::DiskFull | Self::ShuttingDown | Self::TooManyStreams => Some(5_000),
            _ => None,
        }
    }

    /// The field of a submission that the reason speaks of.
    pub(crate) fn envelope_field(self) -> Option<&'static str> {
        match self {
            Self::MalformedEnvelope | Self::TooLarge | Self::TooHeavy | Self::NotATransfer => {
                Some("envelope")
            }
            Self::WrongChain => Some("envelope.body.chain_id"),
            Self::ValidTooLong => Some("envelope.body.valid_until"),
            _ => None,
        }
    }
}

impl From<RefusalReason> for ErrorReason {
    fn from(reason: RefusalReason) -> Self {
        match reason {
            RefusalReason::MalformedEnvelope => Self::MalformedEnvelope,
            RefusalReason::TooLarge => Self::TooLarge,
            RefusalReason::WrongChain => Self::WrongChain,
            RefusalReason::UnknownSender => Self::UnknownSender,
            RefusalReason::InvalidSignature => Self::InvalidSignature,
            RefusalReason::Expired => Self::Expired,
            RefusalReason::ValidTooLong => Self::ValidTooLong,
            RefusalReason::RequestIdReused => Self::RequestIdReused,
            RefusalReason::TooHeavy => Self::TooHeavy,
            RefusalReason::Redundant => Self::Redundant,
            RefusalReason::Busy => Self::Busy,
            RefusalReason::Halted => Self::Halted,
            RefusalReason::DiskFull => Self::DiskFull,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_keep_their_published_names() {
        for reason in RefusalReason::ALL {
            assert_eq!(ErrorReason::from(reason).name(), reason.name());
            assert_eq!(ErrorReason::from(reason).retry_ms().is_some(), reason.may_retry());
        }
    }

    #[test]
    fn names_lead_back_to_their_reason() {
        assert_eq!(ErrorReason::all().count(), 31);
        for reason in ErrorReason::all() {
            assert_eq!(ErrorReason::from_name(reason.name()), Some(reason));
            assert_ne!(reason.code(), Code::Internal, "{} has no code of its own", reason.name());
        }
    }
}
