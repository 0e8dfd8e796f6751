//! What the members of a Raft group say to each other, as plain data.

use catenary_types::{Address, Block, Timestamp};
use std::{collections::BTreeSet, sync::Arc};

/// Entries of one [`Rpc::Append`].
pub const ENTRIES_PER_MESSAGE_MAX: usize = 64;

/// A term with the one who leads it, or wants to. Ordered as the votes of Raft are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Term {
    /// Its number.
    pub number: u64,
    /// Who.
    pub leader: Address,
}

/// Names an entry of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogId {
    /// Whose entry it is.
    pub term: Term,
    /// Where it stands.
    pub index: u64,
}

/// Whom a member has voted for, or follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ballot {
    /// The term and its candidate or leader.
    pub term: Term,
    /// Whether a majority elected it.
    pub committed: bool,
}

/// Who takes part in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// Sets of voters, of each of which a majority is needed: two while the set changes.
    pub voters: Vec<BTreeSet<Address>>,
    /// All who get the log, voters and learners.
    pub nodes: BTreeSet<Address>,
}

/// What an entry is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// The first of a term.
    Blank,
    /// Who takes part from here on.
    Membership(Membership),
    /// A block that the leader built.
    Block(Arc<Block>),
}

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Its name.
    pub id: LogId,
    /// Its content.
    pub payload: Payload,
}

/// Where a log begins: entries up to here are in blocks that are final, and are gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Base {
    /// The last entry that is gone; none if the log is whole.
    pub last: Option<LogId>,
    /// The entry that gave the membership.
    pub membership_at: Option<LogId>,
    /// The membership there.
    pub membership: Membership,
}

/// What a follower answers to entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// All are on its disk.
    All,
    /// Those up to here are.
    Upto(Option<LogId>),
    /// It has another entry where the first ones follow on.
    Conflict,
    /// It has voted for a later term.
    Higher(Ballot),
}

/// A question or an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rpc {
    /// Says who this is, and asks what time it is.
    Hello,
    /// Answers [`Rpc::Hello`].
    Welcome,
    /// The leader sends entries; none to say that it is there.
    Append {
        /// Who leads.
        ballot: Ballot,
        /// The entry before.
        previous: Option<LogId>,
        /// The entries, consecutive.
        entries: Vec<LogEntry>,
        /// Up to where a majority has them.
        committed: Option<LogId>,
    },
    /// Answers [`Rpc::Append`].
    Appended(Appended),
    /// A candidate asks for a vote.
    RequestVote {
        /// What for.
        ballot: Ballot,
        /// Its last entry.
        last: Option<LogId>,
    },
    /// Answers [`Rpc::RequestVote`].
    Voted {
        /// Whom the voter has voted for.
        ballot: Ballot,
        /// Whether that is the candidate.
        granted: bool,
        /// Its last entry.
        last: Option<LogId>,
    },
    /// What the follower needs next is gone from the leader's log: it is to begin its log here, and to fetch the blocks before.
    Install {
        /// Who leads.
        ballot: Ballot,
        /// Where the log begins.
        base: Base,
    },
    /// Answers [`Rpc::Install`].
    Installed {
        /// Whom the follower follows.
        ballot: Ballot,
    },
}

impl Rpc {
    /// Whether it answers a question.
    pub fn is_answer(&self) -> bool {
        match self {
            Self::Welcome | Self::Appended(_) | Self::Voted { .. } | Self::Installed { .. } => true,
            Self::Hello | Self::Append { .. } | Self::RequestVote { .. } | Self::Install { .. } => false,
        }
    }
}

/// A message of one member to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub from: Address,
    /// Joins an answer to its question.
    pub number: u64,
    /// The speaker's clock.
    pub clock: Timestamp,
    /// What it says.
    pub rpc: Rpc,
}

/// Between which differences another clock stands, ahead of this node's, in nanoseconds: as far as a question and its answer
/// can tell, however long they travelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    ahead_min: i128,
    ahead_max: i128,
}

impl Clock {
    /// A question left at `sent`, its answer was given at `theirs` by the other clock and came in at `received`.
    pub fn measured(sent: Timestamp, theirs: Timestamp, received: Timestamp) -> Self {
        let [sent, theirs, received] = [sent, theirs, received].map(|time| i128::from(time.0));
        Self { ahead_min: theirs - received, ahead_max: theirs - sent }
    }

    /// Whether the two are further apart than this for certain.
    pub fn is_off(&self, precision_ms: u64) -> bool {
        let precision = i128::from(precision_ms) * 1_000_000;
        self.ahead_min > precision || self.ahead_max < -precision
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_off_only_if_no_delay_explains_it() {
        let at = |ms: u64| Timestamp(ms * 1_000_000);
        let off = |sent, theirs, received| Clock::measured(at(sent), at(theirs), at(received)).is_off(500);
        assert!(!off(10_000, 10_001, 10_002));
        assert!(!off(10_000, 10_500, 10_000), "just within");
        assert!(off(10_000, 10_501, 10_000) && off(10_501, 10_000, 10_501));
        assert!(!off(10_000, 12_000, 14_000), "the answer may have been given in between");
        assert!(off(10_000, 14_600, 14_000), "later than it came in");
    }
}
