//! The votes of one validator, with a disk that fails and others that say what they like.
//!
//! ```text
//!   hear ─► sign ─► queue ─► journal, guard: written at once, each flushed when it likes ─► publish
//!                                 │ power cut: what was being written is there, or not, or torn
//!                                 ▼
//!   stopped ─► damage ─► scan both ─► recall ─► hear the journal again ─► vote, follow, or rejoin
//! ```
//!
//! What the others say is any proposal, any polka (one value a round, as two thirds make sure), any silence. Marks, their order,
//! the scan of the guard, the judgement of both copies and the note of their loss are the production code's; the engine's rules of
//! locking, the signer's comparison, the outbox and the journal's batches are written by hand, since those can be neither copied
//! nor compared.
//!
//! A start is assumed to know of the chain, so that a loss of its votes is noted. What the disk may do has limits, see [`Limit`].

mod action;
mod damage;
mod disk;
mod mutation;
mod recovery;
mod state;
mod validator;
mod vote;

pub use action::Action;
pub use damage::Damage;
pub use disk::{Begun, Cut, Disk, Found, Guard, Journal};
pub use mutation::Mutation;
pub use state::State;
pub use validator::{First, Queue, Running, Stage, Validator};
pub use vote::{Input, Known, ROUNDS, Record, Step, Value, Vote};

use stateright::{Model, Property};

/// No two published votes for one height, round and step differ.
pub const ONE_VOTE: &str = "one vote for a height, round and step";
/// No prevote for another value than the lock's without a newer polka.
pub const LOCK: &str = "no vote against a lock";
/// What is published is in both files.
pub const ON_DISK: &str = "what is published is on the disk twice";
/// Without damage a validator never abstains.
pub const NO_SILENCE: &str = "no power cut makes a validator abstain";
/// From every state the validator publishes a vote again.
pub const VOTES_AGAIN: &str = "a validator always votes again";

/// What the rules do not withstand: a disk or a node does this only if the model is told so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// A copy is damaged while the other still lacks what an earlier damage took from it.
    DamageBeforeHealed,
    /// The journal loses exactly the batch that the newest mark names and all after it, without a trace.
    SilentLoss,
}

/// The model.
#[derive(Clone, Copy, Debug)]
pub struct Votes {
    /// A mistake.
    pub mutation: Option<Mutation>,
    /// A limit that is passed.
    pub limit: Option<Limit>,
    /// Round and step of the last vote of a height that is looked at; below round [`ROUNDS`].
    pub last_vote: (u8, Step),
    /// Blocks that are decided.
    pub tip_max: u8,
    /// How often the validator is stopped.
    pub stops_max: u8,
    /// How often the disk is damaged.
    pub damages_max: u8,
}

impl Votes {
    /// One height of three rounds, a power cut: locks.
    pub const LOCKS: Self = Self {
        mutation: None,
        limit: None,
        last_vote: (2, Step::Prevote),
        tip_max: 0,
        stops_max: 1,
        damages_max: 0,
    };
    /// One height of two rounds, power cuts, and a disk that loses something.
    pub const DAMAGE: Self =
        Self { last_vote: (1, Step::Prevote), stops_max: 2, damages_max: 1, ..Self::LOCKS };
    /// Three heights of both votes of one round.
    pub const HEIGHTS: Self =
        Self { last_vote: (0, Step::Precommit), tip_max: 2, stops_max: 1, damages_max: 1, ..Self::LOCKS };
    /// Three heights of one vote, and everything else more often.
    pub const MEMORY: Self =
        Self { last_vote: (0, Step::Prevote), tip_max: 2, stops_max: 3, damages_max: 2, ..Self::LOCKS };

    /// Whether the votes of a height go on.
    fn allows(&self, running: &Running) -> bool {
        let next = match running.stage {
            Stage::Propose => (running.round, Step::Prevote),
            Stage::Prevote => (running.round, Step::Precommit),
            Stage::Precommit => (running.round + 1, Step::Prevote),
        };
        next <= self.last_vote
    }

    /// Values that may be spoken of. The first one is called A; without a second round there is no need for another.
    fn values(&self, state: &State, running: &Running) -> &'static [Value] {
        let is_heard = state.disk.journal.records().any(|record| matches!(record, Record::Heard(..)));
        let is_known = is_heard || !state.published.is_empty() || state.polkas != [None; ROUNDS];
        let is_first = (running.round, running.stage) == (0, Stage::Propose) && !is_known;
        if is_first || self.last_vote.0 == 0 { &[Value::A] } else { &[Value::A, Value::B] }
    }

    fn may_damage(&self, state: &State) -> bool {
        state.disk.tip >= state.healed_at || self.limit == Some(Limit::DamageBeforeHealed)
    }

    fn may_lose_silently(&self) -> bool {
        self.limit == Some(Limit::SilentLoss)
    }
}

impl Model for Votes {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::first()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.extend(Action::all(self, state));
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        action.apply(&mut next, self.mutation);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_VOTE, |_, state: &State| !state.contradicts),
            Property::always(LOCK, |_, state: &State| !state.breaks_lock),
            Property::always(ON_DISK, |_, state: &State| !state.is_early),
            Property::always(NO_SILENCE, |_, state: &State| {
                let votes = |validator: &Validator| validator.running.votes;
                state.damages > 0 || state.validator.as_ref().is_none_or(votes)
            }),
            Property::always(VOTES_AGAIN, |model: &Self, state| recovery::votes_again(model, state)),
            Property::sometimes("a vote is published again after a restart", |_, state: &State| {
                state.stops > 0 && state.damages == 0 && !state.published.is_empty()
            }),
        ]
    }
}
