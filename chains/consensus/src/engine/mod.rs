//! The BFT engine, Malachite's core, and everything of ours that names its types.
//!
//! The engine is a coroutine: it takes an input, yields effects and is resumed with their answers. With an answer at
//! hand for each effect it is a step function, and [`run`] is that function, the one place that drives it.
//!
//! The engine's `metrics` feature changes the type that `process!` takes, so it must stay off in the whole workspace.

pub(crate) mod context;
pub(crate) mod convert;

use arc_malachitebft_core_consensus as core;
use catenary_mutant::{Mutant, is_active};

pub(crate) use arc_malachitebft_core_types as types;
pub(crate) use context::Group;

pub(crate) type State = core::State<Group>;
pub(crate) type Input = core::Input<Group>;
pub(crate) type Effect = core::Effect<Group>;
pub(crate) type Resume = core::Resume<Group>;
pub(crate) type Error = core::Error<Group>;
pub(crate) type SignedVote = types::SignedVote<Group>;
pub(crate) type SignedProposal = types::SignedProposal<Group>;
pub(crate) type ProposedValue = core::ProposedValue<Group>;
pub(crate) type LocalValue = core::LocallyProposedValue<Group>;
pub(crate) use core::{
    ConsensusMsg, LivenessMsg, MisbehaviorEvidence, Params, PeerId, Resumable, SignedConsensusMsg,
};

/// Buffers of the engine for heights to come: unused, [`crate::pending`] bounds them per peer.
const QUEUE_CAPACITY: usize = 1;

/// A fresh state at a height. With `voting` off the engine follows and never asks for a signature.
pub(crate) fn new_state(
    height: context::EngineHeight,
    set: context::Set,
    address: context::Member,
    voting: bool,
) -> State {
    let mut threshold_params = types::ThresholdParams::default();
    if is_active(Mutant::QuorumOfTwoThirds) {
        threshold_params.quorum = types::ThresholdParam::new(1_999, 3_000);
    }
    let params = Params {
        address,
        threshold_params,
        value_payload: types::ValuePayload::ProposalAndParts,
        enabled: voting,
    };
    State::new(Group, height, set, params, QUEUE_CAPACITY, QUEUE_CAPACITY)
}

/// Runs one input to its end, answering each effect as it comes.
pub(crate) fn run(
    state: &mut State,
    input: Input,
    mut answer: impl FnMut(Effect) -> Resume,
) -> Result<(), Box<Error>> {
    core::process!(
        input: input,
        state: state,
        metrics: &(),
        with: effect => Ok::<Resume, Error>(answer(effect))
    )
}

/// Whether a quorum gave the value votes of this kind, or a better kind, in any round. Polka certificates count as
/// prevotes.
pub(crate) fn is_certified(state: &State, value: &crate::message::ValueId, kind: types::VoteType) -> bool {
    let driver = &state.driver;
    let kinds = if kind == types::VoteType::Prevote {
        &[types::VoteType::Prevote, types::VoteType::Precommit][..]
    } else {
        &[types::VoteType::Precommit]
    };
    let met = |round: &types::Round| {
        let mut kinds = kinds.iter();
        kinds.any(|kind| driver.votes().is_threshold_met(round, *kind, types::Threshold::Value(*value)))
    };
    let polka = || driver.polka_certificates().iter().any(|certificate| certificate.value_id == *value);
    let commit = || driver.commit_certificates().iter().any(|certificate| certificate.value_id == *value);
    driver.votes().all_rounds().keys().any(met) || (kind == types::VoteType::Prevote && polka()) || commit()
}
