//! A validator with its disk, and the checks on all that it ever says.

use crate::group::{Group, LAST, NOW, PEER};
use catenary_consensus::{
    Consensus, Effect, Input, Mark, Message, Proposal, Record, SignedProposal, SignedStep, Start,
    StartHeight, Step, TimelinessParameters, ValueId, Vote, Voting,
};
use catenary_types::{Height, Timestamp, VoteKind};
use std::collections::{BTreeMap, BTreeSet};

/// What a crash takes besides what was not flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    Nothing,
    Guard,
    Journal,
    /// The guard's file, or the journal, is one of an earlier day.
    OldGuard,
    OldJournal,
    Both,
}

#[derive(Clone, Default)]
struct Disk {
    journal: Vec<Record>,
    flushed: usize,
    mark: Option<Mark>,
    mark_flushed: Option<Mark>,
    /// Up to this height the journal may miss own messages; only the guard knows of them.
    journal_hurt: u64,
    /// The guard's file may miss own messages; only the journal knows of them.
    guard_hurt: bool,
    /// Both copies missed some. From here on the node follows, until it has raised its guard.
    forgot: bool,
}

type Slot = (Height, u32, SignedStep);

/// A validator of a group of four, all others of which may lie.
pub(crate) struct Subject {
    pub(crate) group: Group,
    pub(crate) me: usize,
    pub(crate) machine: Consensus,
    pub(crate) now: Timestamp,
    pub(crate) build: Option<(Height, u32)>,
    disk: Disk,
    backup: Disk,
    /// Effects, each with the number of the mark that is to be on disk before.
    waiting: Vec<(u64, Effect)>,
    marks: u64,
    marks_flushed: u64,
    /// The height after the last decided one.
    height: Height,
    /// Prevotes that there are, by round and value; a polka of three is needed for a precommit.
    prevotes: BTreeMap<(Height, u32, ValueId), BTreeSet<usize>>,
    /// What was signed, published or not.
    made: BTreeSet<(Height, u32, u8, [u8; 64])>,
    published: BTreeMap<Slot, Message>,
    lock: Option<Vote>,
    floor: Option<Mark>,
    pub(crate) locks: u32,
    /// Prevotes for a block while locked in an earlier round.
    pub(crate) later_rounds: u32,
}

impl Subject {
    pub(crate) fn new(me: usize) -> Self {
        let group = Group::new(4);
        let (machine, step) = group.machine(me, None, start(&group, Height(1), Voting::Vote, Vec::new()));
        let mut subject = Self {
            group,
            me,
            machine,
            now: NOW,
            build: None,
            disk: Disk::default(),
            backup: Disk::default(),
            waiting: Vec::new(),
            marks: 0,
            marks_flushed: 0,
            height: Height(1),
            prevotes: BTreeMap::new(),
            made: BTreeSet::new(),
            published: BTreeMap::new(),
            lock: None,
            floor: None,
            locks: 0,
            later_rounds: 0,
        };
        subject.apply(step);
        subject
    }

    pub(crate) fn height(&self) -> Height {
        self.height
    }

    pub(crate) fn round(&self) -> u32 {
        self.machine.round().unwrap_or(0)
    }

    pub(crate) fn input(&mut self, input: Input) {
        if let Input::Message { message, .. } = &input {
            message.votes().into_iter().for_each(|signed| self.note_prevote(&signed.vote));
        }
        if let Input::Raise(mark) = &input
            && mark.is_above(self.machine.mark().as_ref())
        {
            self.floor = Some(*mark);
        }
        let step = self.machine.step(self.now, input);
        self.machine.check_invariants();
        self.apply(step);
    }

    pub(crate) fn hear(&mut self, message: Message) {
        self.input(Input::Message { peer: PEER, message });
    }

    pub(crate) fn fire(&mut self) {
        if let Some(deadline) = self.machine.deadline() {
            self.now = deadline.max(self.now);
            self.input(Input::Fired);
        }
    }

    pub(crate) fn flush(&mut self) {
        let disk = &mut self.disk;
        (disk.flushed, disk.mark_flushed) = (disk.journal.len(), disk.mark);
        (disk.guard_hurt, disk.forgot) = (false, false);
        self.marks_flushed = self.marks;
        self.release();
    }

    /// Keeps a copy of the disk for [`Loss::OldGuard`] and [`Loss::OldJournal`].
    pub(crate) fn back_up(&mut self) {
        self.backup = self.disk.clone();
        self.backup.journal.truncate(self.backup.flushed);
    }

    /// Begins the height again in the middle of its life.
    pub(crate) fn begin_again(&mut self) {
        if !self.machine.is_decided() {
            let voting = if self.disk.forgot { Voting::Follow } else { Voting::Vote };
            let again = start(&self.group, self.height, voting, self.disk.journal.clone());
            self.input(Input::StartHeight(again));
        }
    }

    /// Restarts; of what was not flushed, `tail` percent of the records survive.
    pub(crate) fn crash(&mut self, tail: usize, loss: Loss) {
        let (disk, backup) = (&mut self.disk, &self.backup);
        let unflushed = disk.journal.len() - disk.flushed;
        disk.journal.truncate(disk.flushed + unflushed * tail / 100);
        disk.mark = disk.mark_flushed;
        match loss {
            Loss::Nothing => {}
            Loss::Guard | Loss::Both => disk.mark = None,
            Loss::OldGuard => disk.mark = backup.mark_flushed,
            Loss::Journal | Loss::OldJournal => {}
        }
        match loss {
            Loss::Journal | Loss::Both => disk.journal.clear(),
            Loss::OldJournal => disk.journal = backup.journal.clone(),
            Loss::Nothing | Loss::Guard | Loss::OldGuard => {}
        }
        if matches!(loss, Loss::Journal | Loss::OldJournal | Loss::Both) {
            disk.journal_hurt = disk.journal_hurt.max(self.height.0);
        }
        disk.guard_hurt |= matches!(loss, Loss::Guard | Loss::OldGuard | Loss::Both);
        disk.forgot |= disk.guard_hurt && disk.journal_hurt >= self.height.0;
        disk.flushed = disk.journal.len();
        disk.mark_flushed = disk.mark;
        self.floor = self.floor.filter(|floor| disk.mark.is_some_and(|mark| !floor.is_above(Some(&mark))));
        (self.waiting, self.build, self.marks) = (Vec::new(), None, self.marks_flushed);
        let (forgot, voting) = (disk.forgot, if disk.forgot { Voting::Follow } else { Voting::Vote });
        let (mark, replay) = (disk.mark, disk.journal.clone());
        let (machine, step) =
            self.group.machine_at(self.now, self.me, mark, start(&self.group, self.height, voting, replay));
        self.machine = machine;
        self.apply(step);
        if forgot {
            // It may have been two heights above the last one that is known to be final.
            let last = self.height.next();
            self.disk.journal_hurt = last.0;
            self.input(Input::Raise(Mark::end_of(last)));
        }
    }

    fn apply(&mut self, step: Step) {
        self.disk.journal.extend(step.journal);
        if step.mark.is_some() {
            self.disk.mark = step.mark;
            self.marks += 1;
        }
        for effect in step.now {
            if let Effect::Build { height, round, .. } = effect {
                self.build = Some((height, round));
            }
        }
        for effect in step.durable {
            if let Effect::Publish(message) | Effect::Tell { message, .. } = &effect {
                self.check_made(message);
            }
            self.waiting.push((self.marks, effect));
        }
        self.release();
    }

    fn release(&mut self) {
        while self.waiting.first().is_some_and(|(mark, _)| *mark <= self.marks_flushed) {
            match self.waiting.remove(0).1 {
                Effect::Publish(message) | Effect::Tell { message, .. } => self.check_published(message),
                Effect::Decide(_) => {
                    self.height = self.height.next();
                    self.lock = None;
                    self.build = None;
                    let next = start(&self.group, self.height, Voting::Vote, Vec::new());
                    self.input(Input::StartHeight(next));
                }
                _ => {}
            }
        }
    }

    // What must hold.

    fn own(&self, message: &Message) -> Option<(Slot, [u8; 64])> {
        let (slot, validator, signature) = match message {
            Message::Vote(signed) => {
                let Vote { height, round, kind, validator, .. } = signed.vote;
                ((height, round, kind.into()), validator, signed.signature)
            }
            Message::Proposal(SignedProposal { proposal, signature }) => {
                let Proposal { height, round, proposer, .. } = *proposal;
                ((height, round, SignedStep::Proposal), proposer, *signature)
            }
            Message::Polka(_) | Message::Round(_) => return None,
        };
        (validator == self.group.address(self.me)).then_some((slot, signature.0))
    }

    /// Below a raised guard nothing new is signed.
    fn check_made(&mut self, message: &Message) {
        let Some((slot, signature)) = self.own(message) else { return };
        if let Message::Vote(signed) = message {
            self.note_prevote(&signed.vote);
        }
        let (height, round, step) = slot;
        if self.made.insert((height, round, step as u8, signature))
            && let Some(floor) = self.floor
        {
            let above = slot > (floor.height, floor.round, floor.step);
            assert!(above, "signed at {slot:?}, below the raised guard at {floor:?}");
        }
    }

    /// One content per height, round and step; and none against a lock without a newer polka.
    fn check_published(&mut self, message: Message) {
        let Some((slot, _)) = self.own(&message) else { return };
        let before = self.published.entry(slot).or_insert_with(|| message.clone());
        assert_eq!(*before, message, "contradicted at {slot:?}");
        let Message::Vote(signed) = message else { return };
        let vote = signed.vote;
        let Some(value) = vote.value else { return };
        if vote.kind == VoteKind::Precommit {
            assert!(self.has_polka(vote.height, vote.round, value), "a precommit without polka: {vote:?}");
            if self.lock.is_none_or(|lock| lock.height < vote.height || lock.round < vote.round) {
                self.lock = Some(vote);
                self.locks += 1;
            }
            return;
        }
        let Some(lock) = self.lock.filter(|lock| lock.height == vote.height && lock.round < vote.round)
        else {
            return;
        };
        self.later_rounds += 1;
        let released = |round| self.has_polka(vote.height, round, value);
        let free = lock.value == Some(value) || (lock.round..vote.round).any(released);
        assert!(free, "{vote:?} goes against {lock:?}");
    }

    fn has_polka(&self, height: Height, round: u32, value: ValueId) -> bool {
        self.prevotes.get(&(height, round, value)).is_some_and(|members| members.len() >= 3)
    }

    fn note_prevote(&mut self, vote: &Vote) {
        if let (VoteKind::Prevote, Some(value)) = (vote.kind, vote.value)
            && let Some(member) = self.group.set.index_of(&vote.validator)
        {
            self.prevotes.entry((vote.height, vote.round, value)).or_default().insert(member);
        }
    }
}

fn start(group: &Group, height: Height, voting: Voting, replay: Vec<Record>) -> StartHeight {
    let timeliness = TimelinessParameters { delay_ms: 3_600_000, ..TimelinessParameters::default() };
    StartHeight { height, voting, replay, timeliness, last_time: LAST, ..group.start(Start::Now) }
}
