//! What brings a validator back: an honest environment that does the next useful thing.

use super::{
    Action, Mutation, State, Votes,
    action::may_rejoin,
    validator::{Stage, Validator},
    vote::Input,
};

/// Steps that are enough: a start, and for each of the heights up to the first that may be voted on two writes with their
/// flushes and a decision, then a vote.
const STEPS_MAX: usize = 40;

/// Whether the validator publishes a vote that it had not published before.
pub fn votes_again(model: &Votes, state: &State) -> bool {
    let published = state.published.len();
    let mut state = state.clone();
    for _ in 0..STEPS_MAX {
        if state.published.len() > published {
            return true;
        }
        next(model, &state).apply(&mut state, model.mutation);
    }
    false
}

fn next(model: &Votes, state: &State) -> Action {
    let Some(validator) = &state.validator else { return Action::Start };
    let queue = &validator.queue;
    if state.disk.journal.writing.is_some() {
        Action::FlushJournal
    } else if state.disk.guard.writing.is_some() {
        Action::FlushGuard
    } else if !queue.records.is_empty() || queue.mark.is_some() {
        Action::Write
    } else if may_rejoin(state, validator) && model.mutation != Some(Mutation::NoRejoin) {
        Action::Rejoin
    } else {
        go_on(validator)
    }
}

fn go_on(validator: &Validator) -> Action {
    match validator.running.stage {
        Stage::Propose if validator.running.votes => Action::Hear(Input::ProposeTimeout),
        Stage::Prevote if validator.running.votes => Action::Hear(Input::PrevoteTimeout),
        _ => Action::Decide,
    }
}
