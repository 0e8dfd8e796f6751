//! Mistakes that the rules of votes could make, each of which the checker must find.

use super::{LOCK, NO_SILENCE, ON_DISK, ONE_VOTE, VOTES_AGAIN, Votes};

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutation {
    /// A vote is published when it is signed.
    PublishAtOnce,
    /// A vote is published when the journal has it.
    PublishWithoutGuard,
    /// A vote is published when the guard has it.
    PublishWithoutJournal,
    /// The guard keeps the key from nothing.
    GuardNotAsked,
    /// What others said is not journalled.
    HeardNotJournalled,
    /// A validator that lost its memory votes a height too early.
    RejoinTooEarly,
    /// A validator that lost its memory never votes again.
    NoRejoin,
    /// A mark counts although what it stands for was never sent.
    UnsentMarkCounts,
    /// Numbers of batches stay in the guard when it is begun anew.
    BatchNumbersStay,
    /// A height of which the guard knows more than the journal is voted on.
    UnrememberedVotes,
    /// A damaged journal is taken for a whole one.
    DamageIsNoLoss,
    /// A damaged guard is taken for a whole one.
    TornGuardIsWhole,
    /// That both copies were lost is not written down.
    LossNotNoted,
    /// That both copies were lost is written down once the journal has been begun anew.
    LossNotedLate,
    /// That both copies were lost is not written down if the newest mark that reads is that of a rejoin.
    LossAfterRejoinNotNoted,
    /// A validator unlocks for any proposal.
    LockIgnored,
}

impl Mutation {
    /// All of them, each with a model that shows it and the property that it violates.
    pub const ALL: [(Self, Votes, &'static str); 16] = [
        (Self::PublishAtOnce, Votes::LOCKS, ON_DISK),
        (Self::PublishWithoutGuard, Votes::LOCKS, ON_DISK),
        (Self::PublishWithoutJournal, Votes::MEMORY, ONE_VOTE),
        (Self::GuardNotAsked, Votes::DAMAGE, ONE_VOTE),
        (Self::HeardNotJournalled, Votes::LOCKS, LOCK),
        (Self::RejoinTooEarly, Votes::HEIGHTS, ONE_VOTE),
        (Self::NoRejoin, Votes::MEMORY, VOTES_AGAIN),
        (Self::UnsentMarkCounts, Votes::LOCKS, NO_SILENCE),
        (Self::BatchNumbersStay, Votes::DAMAGE, ONE_VOTE),
        (Self::UnrememberedVotes, Votes::DAMAGE, LOCK),
        (Self::DamageIsNoLoss, Votes::DAMAGE, ONE_VOTE),
        (Self::TornGuardIsWhole, Votes::DAMAGE, ONE_VOTE),
        (Self::LossNotNoted, Votes::DAMAGE, ONE_VOTE),
        (Self::LossNotedLate, Votes::DAMAGE, ONE_VOTE),
        (Self::LossAfterRejoinNotNoted, Votes::MEMORY, ONE_VOTE),
        (Self::LockIgnored, Votes::LOCKS, LOCK),
    ];
}
