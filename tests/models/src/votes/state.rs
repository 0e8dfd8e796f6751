//! One validator with its disk, and what the others have seen of it.

use super::{
    disk::Disk,
    mutation::Mutation,
    validator::Validator,
    vote::{Known, ROUNDS, Record, Step, Value, Vote},
};

/// A state of the model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// What is on the disk.
    pub disk: Disk,
    /// The validator; none while it is stopped.
    pub validator: Option<Validator>,
    /// Polkas of the height at hand, which at most one value has in each round.
    pub polkas: [Option<Value>; ROUNDS],
    /// The newest block that the validator ever had.
    pub tip_max: u8,
    /// How often it was stopped.
    pub stops: u8,
    /// How often its disk was damaged.
    pub damages: u8,
    /// The height with which the last damage no longer matters.
    pub healed_at: u8,
    /// For properties: every vote that was published, in order of heights, rounds and steps.
    pub published: Vec<Vote>,
    /// For properties: two of them contradict each other.
    pub contradicts: bool,
    /// For properties: one of them is against a lock.
    pub breaks_lock: bool,
    /// For properties: one of them was published before both files had it.
    pub is_early: bool,
}

/// The height with which damage to both files is healed, as long as the validator has not rejoined.
pub const NEVER: u8 = u8::MAX;

impl State {
    /// A validator that has just started for the first time.
    pub fn first() -> Self {
        let mut disk = Disk::of_new_key();
        let validator = Some(Validator::start(&mut disk, None));
        Self {
            disk,
            validator,
            polkas: [None; ROUNDS],
            tip_max: 0,
            stops: 0,
            damages: 0,
            healed_at: 0,
            published: Vec::new(),
            contradicts: false,
            breaks_lock: false,
            is_early: false,
        }
    }

    /// Whether a write is under way.
    pub fn is_writing(&self) -> bool {
        self.disk.journal.writing.is_some() || self.disk.guard.writing.is_some()
    }

    /// Hands what is queued to both files at once.
    pub fn write(&mut self) {
        let Some(validator) = &mut self.validator else { return };
        let queue = std::mem::take(&mut validator.queue);
        let batch = if queue.records.is_empty() { 0 } else { self.disk.journal.end() };
        self.disk.journal.writing = Some(queue.records).filter(|records| !records.is_empty());
        self.disk.guard.writing = queue.mark.map(|mark| (mark, batch));
        validator.writing = queue.votes;
    }

    /// A block is decided and in the block log: the next height begins.
    pub fn decide(&mut self, mutation: Option<Mutation>) {
        let Some(validator) = &mut self.validator else { return };
        self.disk.tip += 1;
        let tip = self.disk.tip;
        self.tip_max = self.tip_max.max(tip);
        self.disk.journal.trim(tip);
        validator.queue.records.retain(|record| record.height() > tip);
        self.polkas = [None; ROUNDS];
        validator.begin(tip + 1, &[], mutation);
    }

    /// The mark that is being written will be there: with that of a rejoin what was lost no longer matters above it.
    pub fn note_rejoin(&mut self) {
        if let Some((Known::EndOf(height), _)) = self.disk.guard.writing {
            self.healed_at = height;
        }
    }

    /// Publishes what may be.
    pub fn publish_ready(&mut self, mutation: Option<Mutation>) {
        let Some(validator) = &mut self.validator else { return };
        let (in_journal, in_guard) = (self.disk.journal.writing.is_none(), self.disk.guard.writing.is_none());
        let is_ready = match mutation {
            Some(Mutation::PublishWithoutGuard) => in_journal,
            Some(Mutation::PublishWithoutJournal) => in_guard,
            _ => in_journal && in_guard,
        };
        let mut ready = Vec::new();
        if is_ready {
            ready.append(&mut validator.writing);
        }
        let queue = &mut validator.queue;
        let waits_for_nothing = queue.records.is_empty() && queue.mark.is_none() && is_ready;
        if waits_for_nothing || mutation == Some(Mutation::PublishAtOnce) {
            ready.append(&mut queue.votes);
        }
        ready.into_iter().for_each(|vote| self.publish(vote));
    }

    fn publish(&mut self, vote: Vote) {
        let is_journalled = self.disk.journal.records().any(|record| *record == Record::Own(vote));
        let is_guarded =
            self.disk.guard.records.iter().any(|(mark, _)| !Known::Signed(vote).is_above(Some(*mark)));
        self.is_early |= !is_journalled || !is_guarded;
        self.contradicts |=
            self.published.iter().any(|other| other.is_beside(&vote) && other.value != vote.value);
        self.breaks_lock |= self.is_against_lock(vote);
        if let Err(place) = self.published.binary_search(&vote) {
            self.published.insert(place, vote);
        }
    }

    /// Whether a prevote is for another value than the newest precommit before it, without a polka since.
    fn is_against_lock(&self, vote: Vote) -> bool {
        let Some(value) = vote.value.filter(|_| vote.step == Step::Prevote) else { return false };
        let precommits = self.published.iter().filter(|other| {
            other.height == vote.height && other.step == Step::Precommit && other.round < vote.round
        });
        let lock = precommits.filter_map(|other| Some((other.round, other.value?))).next_back();
        lock.is_some_and(|(round, locked)| {
            let mut since = self.polkas[usize::from(round)..usize::from(vote.round)].iter();
            locked != value && !since.any(|polka| *polka == Some(value))
        })
    }
}
