//! Errors as they cross the wire: a code, one published reason, and what the caller needs to go on.

use crate::{
    Malformed,
    api::{ErrorReason, WriteEffect},
};
use catenary_relay::gateway::{GatewayError, Refusal};
use catenary_types::{Height, TxId};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

/// `ErrorInfo.domain` of all our errors.
pub const DOMAIN: &str = "catenary";

/// An error with everything that a caller is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which of the published reasons.
    pub reason: ErrorReason,
    /// What was expected, what came, what to do.
    pub message: String,
    /// The particulars, for programs.
    pub metadata: BTreeMap<String, String>,
    fields: Vec<(String, String)>,
}

impl Fault {
    /// An error of this reason.
    pub fn new(reason: ErrorReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), metadata: BTreeMap::new(), fields: Vec::new() }
    }

    /// With a particular for programs.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.metadata.insert(name.into(), value.to_string());
        self
    }

    /// With the field that is wrong.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>, description: impl Into<String>) -> Self {
        self.fields.push((field.into(), description.into()));
        self
    }

    /// Of a write that has done this.
    #[must_use]
    pub fn effect(self, effect: WriteEffect) -> Self {
        let name = match effect {
            WriteEffect::Unspecified => return self,
            WriteEffect::NotApplied => "not_applied",
            WriteEffect::Applied => "applied",
            WriteEffect::Unknown => "unknown",
        };
        self.with("effect", name)
    }

    /// Of a submission that did not come to an answer: whether it was taken is unknown, unless the chain was busy.
    #[must_use]
    pub fn of_submission(self, tx_id: Option<TxId>) -> Self {
        let effect = match self.reason {
            ErrorReason::ChainUnavailable
            | ErrorReason::TimedOut
            | ErrorReason::ShuttingDown
            | ErrorReason::DataDamaged => WriteEffect::Unknown,
            _ => WriteEffect::NotApplied,
        };
        let fault = self.effect(effect);
        match tx_id {
            Some(tx_id) => fault.with("tx_id", tx_id),
            None => fault,
        }
    }

    /// Reads the reason and the particulars out of a status that was made here, on whatever node.
    pub fn from_status(status: &Status) -> Option<Self> {
        let info = status.get_details_error_info()?;
        let reason = ErrorReason::from_name(&info.reason).filter(|_| info.domain == DOMAIN)?;
        let fields = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
        Some(Self {
            reason,
            message: status.message().into(),
            metadata: info.metadata.into_iter().collect(),
            fields: fields.into_iter().map(|field| (field.field, field.description)).collect(),
        })
    }

    /// A particular as a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.metadata.get(name)?.parse().ok()
    }
}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        let mut details = ErrorDetails::new();
        let metadata: HashMap<_, _> = fault.metadata.into_iter().collect();
        details.set_error_info(fault.reason.name(), DOMAIN, metadata);
        for (field, description) in fault.fields {
            details.add_bad_request_violation(field, description);
        }
        if let Some(ms) = fault.reason.retry_ms() {
            details.set_retry_info(Some(Duration::from_millis(ms)));
        }
        Self::with_error_details(fault.reason.code(), fault.message, details)
    }
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        Self::new(ErrorReason::InvalidArgument, malformed.to_string())
            .field(malformed.field, malformed.reason)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let reason = ErrorReason::from(refusal.reason);
        let fault = Self::new(reason, refusal.to_string()).effect(WriteEffect::NotApplied);
        match reason.envelope_field() {
            Some(field) => fault.field(field, refusal.detail),
            None => fault,
        }
    }
}

impl From<GatewayError> for Fault {
    fn from(error: GatewayError) -> Self {
        let message = error.to_string();
        match error {
            GatewayError::Busy => Self::new(ErrorReason::Busy, message),
            GatewayError::Unavailable(detail) => {
                Self::new(ErrorReason::ChainUnavailable, message).with("detail", detail)
            }
            GatewayError::Height { requested, oldest, newest } => {
                Self::new(ErrorReason::HeightNotAvailable, message)
                    .with("requested", requested)
                    .with("oldest", oldest)
                    .with("newest", newest)
            }
            GatewayError::Damaged(detail) => {
                Self::new(ErrorReason::DataDamaged, message).with("detail", detail)
            }
        }
    }
}

/// What a status of another node means to whoever uses a chain there. Whatever is not known counts as no answer.
pub fn gateway_error(status: &Status) -> GatewayError {
    let unavailable = || GatewayError::Unavailable(format!("{}: {}", status.code(), status.message()));
    let Some(fault) = Fault::from_status(status) else { return unavailable() };
    let detail = || fault.metadata.get("detail").unwrap_or(&fault.message).clone();
    let height = |name| fault.number(name).map(Height);
    match fault.reason {
        ErrorReason::Busy => GatewayError::Busy,
        ErrorReason::ChainUnavailable => GatewayError::Unavailable(detail()),
        ErrorReason::DataDamaged => GatewayError::Damaged(detail()),
        ErrorReason::HeightNotAvailable => match (height("requested"), height("oldest"), height("newest")) {
            (Some(requested), Some(oldest), Some(newest)) => {
                GatewayError::Height { requested, oldest, newest }
            }
            _ => unavailable(),
        },
        _ => unavailable(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use catenary_relay::gateway::RefusalReason;
    use tonic::Code;

    #[test]
    fn a_fault_survives_the_wire() {
        let fault = Fault::new(ErrorReason::WrongChain, "made for another chain")
            .field("envelope", "another chain")
            .with("height", 7)
            .effect(WriteEffect::NotApplied);
        let status = Status::from(fault.clone());
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(Fault::from_status(&status), Some(fault));
    }

    #[test]
    fn a_retry_is_offered_where_it_can_help() {
        let refusal = |reason| Status::from(Fault::from(Refusal::new(reason, "detail")));
        assert!(refusal(RefusalReason::Busy).get_details_retry_info().is_some());
        assert!(refusal(RefusalReason::Expired).get_details_retry_info().is_none());
    }

    #[test]
    fn chain_errors_survive_the_wire_and_strange_ones_count_as_no_answer() {
        for error in [
            GatewayError::Busy,
            GatewayError::Unavailable("stopped".into()),
            GatewayError::Damaged("block 3".into()),
            GatewayError::Height { requested: Height(9), oldest: Height(2), newest: Height(5) },
        ] {
            assert_eq!(gateway_error(&Fault::from(error.clone()).into()), error);
        }
        let strange = Status::internal("what is this");
        assert!(matches!(gateway_error(&strange), GatewayError::Unavailable(_)));
    }

    #[test]
    fn a_submission_without_answer_is_unknown_and_a_refused_one_is_not_applied() {
        let effect = |error: GatewayError| Fault::from(error).of_submission(None).metadata["effect"].clone();
        assert_eq!(effect(GatewayError::Busy), "not_applied");
        assert_eq!(effect(GatewayError::Unavailable("gone".into())), "unknown");
    }
}
