//! `SubmitResult` of `catenary/api/v1/views.proto`: what became of an envelope at the door.

use super::{hash, required};
use crate::{
    Malformed,
    api::{self, submit_result::Result as Wire},
};
use catenary_relay::gateway::{Refusal, RefusalReason, SubmitOutcome};
use catenary_types::{Height, TxId};

impl From<&SubmitOutcome> for api::SubmitResult {
    fn from(outcome: &SubmitOutcome) -> Self {
        let result = match outcome {
            SubmitOutcome::Accepted(tx_id) => Wire::Accepted(api::Accepted { tx_id: tx_id.0.0.to_vec() }),
            SubmitOutcome::Known { tx_id, height } => Wire::Known(api::Known {
                tx_id: tx_id.0.0.to_vec(),
                height: height.map_or(0, |height| height.0),
            }),
            SubmitOutcome::Refused(Refusal { reason, detail }) => {
                Wire::Refused(api::Refused { reason: reason.name().into(), detail: detail.clone() })
            }
        };
        Self { result: Some(result) }
    }
}

impl TryFrom<&api::SubmitResult> for SubmitOutcome {
    type Error = Malformed;

    fn try_from(result: &api::SubmitResult) -> Result<Self, Malformed> {
        Ok(match required("result", result.result.as_ref())? {
            Wire::Accepted(accepted) => Self::Accepted(TxId(hash("accepted.tx_id", &accepted.tx_id)?)),
            Wire::Known(known) => Self::Known {
                tx_id: TxId(hash("known.tx_id", &known.tx_id)?),
                height: (known.height > 0).then_some(Height(known.height)),
            },
            Wire::Refused(refused) => Self::Refused(Refusal::new(reason(&refused.reason)?, &*refused.detail)),
        })
    }
}

fn reason(name: &str) -> Result<RefusalReason, Malformed> {
    let known = RefusalReason::ALL.into_iter().find(|reason| reason.name() == name);
    known
        .ok_or_else(|| Malformed::new("refused.reason", format!("expected a published reason, got {name:?}")))
}
