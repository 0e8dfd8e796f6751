//! A running validator: what it hears, what it signs, and what waits for the disk.
//!
//! The rules are those of the engine: it prevotes a proposal unless it is locked on another value, unlocks for a polka of
//! the round of its lock or a later one, and locks when it precommits. A restart hears again what the journal holds.

use super::{
    disk::{Begun, Disk},
    mutation::Mutation,
    vote::{Input, Known, ROUNDS, Record, Step, Value, Vote},
};
use catenary_replica::Memory;
use catenary_types::Height;

/// How far a round has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Before the prevote.
    #[default]
    Propose,
    /// After it.
    Prevote,
    /// After the precommit.
    Precommit,
}

/// The production code's [`Memory`], as the model keeps it: the first height that may be voted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct First(pub Option<u8>);

/// A height.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Running {
    /// Which.
    pub height: u8,
    /// Whether the validator signs.
    pub votes: bool,
    /// The round.
    pub round: u8,
    /// How far it has come.
    pub stage: Stage,
    /// Round and value of the newest precommit for a value.
    pub lock: Option<(u8, Value)>,
    /// Polkas that were heard.
    pub polkas: [Option<Value>; ROUNDS],
}

/// What is to be written next, and what may be said once it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Queue {
    /// For the journal.
    pub records: Vec<Record>,
    /// For the guard.
    pub mark: Option<Known>,
    /// To be published.
    pub votes: Vec<Vote>,
}

/// A running validator.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Validator {
    /// What it remembers.
    pub memory: First,
    /// The highest vote ever signed, as far as it knows.
    pub mark: Option<Known>,
    /// The height at hand.
    pub running: Running,
    /// What waits to be written.
    pub queue: Queue,
    /// What is published once what is being written is flushed.
    pub writing: Vec<Vote>,
}

impl First {
    fn of(memory: Memory) -> Self {
        Self(match memory {
            Memory::Whole => Some(0),
            Memory::From(height) => Some(height.0 as u8),
            Memory::Lost => None,
        })
    }

    fn allows(self, height: u8) -> bool {
        let memory = match self.0 {
            Some(0) => Memory::Whole,
            Some(first) => Memory::From(Height(first.into())),
            None => Memory::Lost,
        };
        memory.allows(Height(height.into()))
    }

    /// Whether the memory is lost.
    pub fn is_lost(self) -> bool {
        self.0.is_none()
    }
}

impl Validator {
    /// Starts on a disk.
    pub fn start(disk: &mut Disk, mutation: Option<Mutation>) -> Self {
        let found = disk.scan(mutation);
        disk.begin(&found, Begun::All, mutation);
        let (running, queue) = Default::default();
        let (memory, mark) = (First::of(found.memory), found.mark);
        let mut validator = Self { memory, mark, running, queue, writing: Vec::new() };
        validator.begin(disk.tip + 1, &disk.journal.older, mutation);
        validator
    }

    /// Begins a height with what the journal holds of it.
    pub fn begin(&mut self, height: u8, records: &[Record], mutation: Option<Mutation>) {
        self.running = Running { height, votes: self.memory.allows(height), ..Running::default() };
        let records = || records.iter().filter(|record| record.height() == height);
        let own: Vec<Vote> = records().filter_map(Record::own).collect();
        let guarded = self.mark.filter(|mark| mark.mark().height.0 >= height.into());
        own.iter().for_each(|vote| self.adopt(Known::Signed(*vote)));
        let is_remembered = |mark: Known| own.iter().any(|vote| mark == Known::Signed(*vote));
        let is_compared = !matches!(mutation, Some(Mutation::UnrememberedVotes | Mutation::GuardNotAsked));
        if is_compared && guarded.is_some_and(|mark| !is_remembered(mark)) {
            self.running.votes = false;
        }
        for record in records() {
            if let Record::Heard(_, input) = record {
                self.react(*input, &own, mutation);
            }
        }
    }

    /// Raises the mark to what another copy holds; the guard is to learn of it. A lost memory stays lost until a rejoin, as
    /// in the production code's signer.
    fn adopt(&mut self, mark: Known) {
        if !mark.is_above(self.mark) {
            return;
        }
        let is_lost = matches!(self.mark, Some(Known::Forgotten(_)));
        self.mark = Some(match mark {
            Known::Signed(vote) if is_lost => Known::Forgotten(vote.height),
            _ => mark,
        });
        self.queue.mark = self.mark;
    }

    /// Votes again from a height on, and never below.
    pub fn rejoin(&mut self, first: u8) {
        self.memory = First(Some(first));
        self.adopt(Known::EndOf(first - 1));
    }

    /// Hears something new.
    pub fn hear(&mut self, input: Input, mutation: Option<Mutation>) {
        let is_from_others = matches!(input, Input::Polka { .. } | Input::Proposal { .. });
        if !is_from_others || mutation != Some(Mutation::HeardNotJournalled) {
            self.queue.records.push(Record::Heard(self.running.height, input));
        }
        self.react(input, &[], mutation);
    }

    fn react(&mut self, input: Input, own: &[Vote], mutation: Option<Mutation>) {
        if !self.running.votes {
            return;
        }
        let running = &mut self.running;
        match input {
            Input::Proposal { value, polka } => {
                let is_free = running.lock.is_none_or(|(round, locked)| {
                    locked == value || polka.is_some_and(|polka| polka >= round)
                });
                let value = (is_free || mutation == Some(Mutation::LockIgnored)).then_some(value);
                self.vote(Step::Prevote, value, own, mutation);
            }
            Input::ProposeTimeout => self.vote(Step::Prevote, None, own, mutation),
            Input::Polka { round, value } => {
                running.polkas[usize::from(round)] = Some(value);
                if round == running.round && running.stage == Stage::Prevote {
                    running.lock = Some((round, value));
                    self.vote(Step::Precommit, Some(value), own, mutation);
                }
            }
            Input::PrevoteTimeout => self.vote(Step::Precommit, None, own, mutation),
            Input::NextRound => {
                running.round += 1;
                running.stage = Stage::Propose;
            }
        }
    }

    /// Signs, unless the guard refuses or the journal holds another vote: then it follows the height.
    fn vote(&mut self, step: Step, value: Option<Value>, own: &[Vote], mutation: Option<Mutation>) {
        let Running { height, round, .. } = self.running;
        let vote = Vote { height, round, step, value };
        self.running.stage = if step == Step::Prevote { Stage::Prevote } else { Stage::Precommit };
        match own.iter().find(|recorded| recorded.is_beside(&vote)) {
            Some(recorded) if *recorded == vote => self.queue.votes.push(vote),
            Some(_) => self.running.votes = false,
            None if self.may_sign(vote) || mutation == Some(Mutation::GuardNotAsked) => {
                self.mark = Some(Known::Signed(vote));
                self.queue.mark = self.mark;
                self.queue.records.push(Record::Own(vote));
                self.queue.votes.push(vote);
            }
            None => self.running.votes = false,
        }
    }

    /// The rule of the production code's signer: upwards only, and the last vote again.
    fn may_sign(&self, vote: Vote) -> bool {
        let asked = Known::Signed(vote);
        asked.is_above(self.mark) || self.mark == Some(asked)
    }
}

impl Record {
    fn own(&self) -> Option<Vote> {
        match self {
            Self::Own(vote) => Some(*vote),
            Self::Heard(..) => None,
        }
    }
}
