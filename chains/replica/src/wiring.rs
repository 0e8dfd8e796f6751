//! Which consensus effect feeds which replica input: one pure function that actors and simulator share.

use crate::interface::Input;
use catenary_consensus::{AbstainReason, Effect, Error};

/// The replica's input for an effect of consensus; none for those that are the shell's alone (messages to peers,
/// notices to the operator).
#[expect(clippy::result_large_err, reason = "the shell gets back what it gave")]
pub fn from_consensus(effect: Effect) -> Result<Input, Effect> {
    match effect {
        Effect::Build { height, round, deadline: _ } => Ok(Input::Build { height, round }),
        Effect::JudgeSynced { height: _, value } => Ok(Input::Judge(value)),
        Effect::Restream { height: _, round: _, value } => Ok(Input::Restream(value)),
        Effect::Decide(decision) => Ok(Input::Decided(decision)),
        Effect::Ahead { peer, height } => Ok(Input::Ahead { peer, height }),
        Effect::SyncRefused { peer, height: _, reason: _ } => Ok(Input::SyncRefused(peer)),
        Effect::Abstain { height: _, reason: AbstainReason::Forgotten(_) } => Ok(Input::Forgotten),
        Effect::Halt(Error::CertifiedInvalid { height, value }) => Ok(Input::Contradicted { height, value }),
        other @ (Effect::RoundStarted { .. }
        | Effect::Publish(_)
        | Effect::Tell { .. }
        | Effect::Abstain { .. }
        | Effect::Halt(_)) => Err(other),
    }
}
