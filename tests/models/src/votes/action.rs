//! What can happen to a validator.

use super::{
    Votes,
    damage::{Damage, damages},
    disk::{Begun, Cut},
    mutation::Mutation,
    state::State,
    validator::{Stage, Validator},
    vote::{Input, Step},
};

/// Heights between the newest block that others are sure to have and the first vote of a validator that forgot.
const REJOIN_HEIGHTS: u8 = 3;

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The validator hears something, or runs out of patience.
    Hear(Input),
    /// What is queued is handed to both files.
    Write,
    /// The journal's flush ends.
    FlushJournal,
    /// The guard's flush ends.
    FlushGuard,
    /// The height is decided.
    Decide,
    /// The journal's damaged segment is deleted, since blocks have taken the place of what it held.
    DeleteDamage,
    /// Enough others told how far they are.
    Rejoin,
    /// The power goes; what was being written is there or not.
    Stop {
        /// What becomes of the journal's batch.
        journal: Cut,
        /// What becomes of the guard's record.
        guard: Cut,
    },
    /// The disk loses something while the validator is stopped.
    Damage(Damage),
    /// The validator starts again.
    Start,
    /// The validator begins to start, and the power goes when its files are begun anew so far.
    StopInStart(Begun),
}

impl Action {
    /// What can happen in a state.
    pub fn all(model: &Votes, state: &State) -> Vec<Self> {
        let mut actions = Vec::new();
        match &state.validator {
            Some(validator) => running(model, state, validator, &mut actions),
            None => {
                actions.push(Self::Start);
                if state.stops < model.stops_max {
                    // Later it is a running validator that is stopped.
                    actions.extend([Begun::Guard, Begun::Both].map(Self::StopInStart));
                }
                if state.damages < model.damages_max && model.may_damage(state) {
                    actions.extend(damages(model, state).map(Self::Damage));
                }
            }
        }
        actions
    }

    /// Does it.
    pub fn apply(self, state: &mut State, mutation: Option<Mutation>) {
        match self {
            Self::Hear(input) => {
                if let Input::Polka { round, value } = input {
                    state.polkas[usize::from(round)] = Some(value);
                }
                if let Some(validator) = &mut state.validator {
                    validator.hear(input, mutation);
                }
            }
            Self::Write => state.write(),
            Self::FlushJournal => state.disk.journal.flush(),
            Self::FlushGuard => {
                state.note_rejoin();
                state.disk.guard.flush();
            }
            Self::Decide => state.decide(mutation),
            Self::DeleteDamage => state.disk.journal.lost_to = None,
            Self::Rejoin => {
                let early = u8::from(mutation == Some(Mutation::RejoinTooEarly));
                let first = state.disk.tip + REJOIN_HEIGHTS - early;
                if let Some(validator) = &mut state.validator {
                    validator.rejoin(first);
                }
            }
            Self::Stop { journal, guard } => {
                state.stops += 1;
                state.validator = None;
                if guard == Cut::Kept {
                    state.note_rejoin();
                }
                state.disk.cut(journal, guard);
            }
            Self::Damage(damage) => damage.apply(state),
            Self::Start => state.validator = Some(Validator::start(&mut state.disk, mutation)),
            Self::StopInStart(begun) => {
                state.stops += 1;
                let found = state.disk.scan(mutation);
                state.disk.begin(&found, begun, mutation);
            }
        }
        state.publish_ready(mutation);
    }
}

fn running(model: &Votes, state: &State, validator: &Validator, actions: &mut Vec<Action>) {
    let queue = &validator.queue;
    if !state.is_writing() && queue.mark.is_some() {
        actions.push(Action::Write);
    }
    if state.disk.journal.writing.is_some() {
        actions.push(Action::FlushJournal);
    }
    if state.disk.guard.writing.is_some() {
        actions.push(Action::FlushGuard);
    }
    // A decision is made known after the votes before it.
    if state.disk.tip < model.tip_max && queue.votes.is_empty() && validator.writing.is_empty() {
        actions.push(Action::Decide);
    }
    if state.disk.journal.may_delete_damage(state.disk.tip) {
        actions.push(Action::DeleteDamage);
    }
    if may_rejoin(state, validator) && model.mutation != Some(Mutation::NoRejoin) {
        actions.push(Action::Rejoin);
    }
    // One vote may wait while another is written.
    if validator.running.votes && queue.votes.is_empty() {
        actions.extend(heard(model, state, validator).into_iter().map(Action::Hear));
    }
    if state.stops < model.stops_max {
        for journal in cuts(state.disk.journal.writing.is_some(), &[Cut::Kept, Cut::Lost]) {
            for guard in cuts(state.disk.guard.writing.is_some(), &[Cut::Kept, Cut::Lost, Cut::Torn]) {
                actions.push(Action::Stop { journal: *journal, guard: *guard });
            }
        }
    }
}

fn cuts(is_writing: bool, cuts: &[Cut]) -> &[Cut] {
    if is_writing { cuts } else { &[Cut::Kept] }
}

/// Whether a validator that forgot may know enough. It was at most one block ahead of one of the honest others, all of
/// whom it hears, and it has verified what they told; the worst is that no other told of more.
pub fn may_rejoin(state: &State, validator: &Validator) -> bool {
    validator.memory.is_lost() && state.disk.tip + 1 >= state.tip_max
}

/// What others may say in the running round.
fn heard(model: &Votes, state: &State, validator: &Validator) -> Vec<Input> {
    let running = &validator.running;
    let mut inputs = Vec::new();
    let rounds = 0..=running.round;
    if !model.allows(running) {
        return inputs;
    }
    for value in model.values(state, running).iter().copied() {
        if running.stage == Stage::Propose {
            let polka_of = |round: &u8| running.polkas[usize::from(*round)] == Some(value);
            let polka = (0..running.round).rev().find(polka_of);
            inputs.push(Input::Proposal { value, polka });
        }
        // A polka counts from the prevote on; in an earlier round it may come late.
        let is_open = |round: &u8| *round < running.round || running.stage > Stage::Propose;
        for round in rounds.clone().filter(is_open) {
            let is_new = running.polkas[usize::from(round)].is_none();
            let others = state.polkas[usize::from(round)];
            if is_new && others.is_none_or(|other| other == value) {
                inputs.push(Input::Polka { round, value });
            }
        }
    }
    inputs.push(match running.stage {
        Stage::Propose => Input::ProposeTimeout,
        Stage::Prevote => Input::PrevoteTimeout,
        Stage::Precommit => Input::NextRound,
    });
    // Others may be ahead.
    if running.stage == Stage::Propose && (running.round + 1, Step::Prevote) <= model.last_vote {
        inputs.push(Input::NextRound);
    }
    inputs
}
