//! What a disk loses while the validator is stopped.

use super::{
    Votes,
    disk::Journal,
    state::{NEVER, State},
    vote::{Known, Record},
};

/// What a disk can lose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Damage {
    /// The guard's newest record does not read.
    GuardNewest,
    /// The guard is gone.
    GuardGone,
    /// No record of the journal reads.
    JournalUnread,
    /// The journal is gone.
    JournalGone,
    /// The journal is replaced by an older one, of so many batches of the last life.
    JournalOlder(usize),
    /// Neither the guard's newest record reads nor any of the journal.
    BothUnread,
    /// Both are gone.
    BothGone,
    /// Both and the block log are gone.
    AllGone,
}

/// What the disk may lose in a state.
pub fn damages(model: &Votes, state: &State) -> impl Iterator<Item = Damage> {
    let (journal, guard) = (&state.disk.journal, &state.disk.guard);
    let newest =
        guard.records.iter().copied().reduce(|one, two| if two.0.is_above(Some(one.0)) { two } else { one });
    let is_noticed = move |kept: &usize| {
        // The newest mark must show that more was there.
        model.may_lose_silently()
            || newest.is_some_and(|(_, batch)| usize::from(batch) != usize::from(journal.first_batch) + kept)
    };
    let older = (0..journal.batches.len()).filter(is_noticed).filter(|_| !guard.is_damaged);
    [
        Damage::GuardNewest,
        Damage::GuardGone,
        Damage::JournalUnread,
        Damage::JournalGone,
        Damage::BothUnread,
        Damage::BothGone,
        Damage::AllGone,
    ]
    .into_iter()
    .chain(older.map(Damage::JournalOlder))
}

impl Damage {
    /// Loses it.
    pub fn apply(self, state: &mut State) {
        state.damages += 1;
        state.healed_at = match self {
            Self::BothUnread | Self::BothGone | Self::AllGone => NEVER,
            _ => state.tip_max + 1,
        };
        match self {
            Self::GuardNewest => lose_newest_mark(state),
            Self::GuardGone => lose_guard(state),
            Self::JournalUnread => lose_records(state),
            Self::JournalGone => state.disk.journal = Journal::default(),
            Self::JournalOlder(kept) => state.disk.journal.batches.truncate(kept),
            Self::BothUnread => {
                lose_records(state);
                lose_newest_mark(state);
            }
            Self::BothGone => {
                state.disk.journal = Journal::default();
                lose_guard(state);
            }
            Self::AllGone => {
                state.disk.journal = Journal::default();
                lose_guard(state);
                state.disk.tip = 0;
            }
        }
    }
}

fn lose_newest_mark(state: &mut State) {
    let guard = &mut state.disk.guard;
    let records = std::mem::take(&mut guard.records);
    let is_below = |known: Known| records.iter().any(|(other, _)| other.is_above(Some(known)));
    guard.records = records.iter().copied().filter(|(known, _)| is_below(*known)).collect();
    guard.is_damaged = true;
}

fn lose_guard(state: &mut State) {
    state.disk.guard.records.clear();
    state.disk.guard.is_damaged = false;
}

fn lose_records(state: &mut State) {
    let journal = &mut state.disk.journal;
    journal.lost_to = journal.records().map(Record::height).max().max(journal.lost_to);
    journal.older.clear();
    journal.batches.iter_mut().for_each(Vec::clear);
}
