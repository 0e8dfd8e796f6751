//! Whether this node may vote: what it remembers of its own signatures, and how it goes on when it has forgotten.
//!
//! A validator that forgets what it signed is as bad as one that lies. One that lost its memory follows the others
//! without voting, asks how far they are, and votes again a few heights above: what it may have signed before it forgot
//! lies below, since it can have been at most two heights ahead of what others know to be final.

use catenary_consensus::{Mark, Peer};
use catenary_journal::{guard::Marks, journal::ChainTag};
use catenary_mutant::{Mutant, is_active};
use catenary_types::Height;
use std::collections::BTreeMap;

/// Heights between the newest one that others know to be final and the first vote of a validator that forgot.
const REJOIN_HEIGHTS: u64 = 3;

/// What a node remembers of its own signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// All of them.
    Whole,
    /// All from this height on.
    From(Height),
    /// It cannot tell.
    Lost,
}

/// A validator's two copies of what it signed, as a start finds them.
#[derive(Clone, Copy, Debug)]
pub struct Copies {
    /// The newest mark that reads; [`Mark::nothing`] if the key is known to have signed nothing.
    pub mark: Option<Mark>,
    /// Whether no newer mark can have been lost.
    pub guard_whole: bool,
    /// Whether the journal is there, and can have lost no record above the newest block.
    pub journal_whole: bool,
}

impl Copies {
    /// What they tell together, and the mark to go on from.
    ///
    /// | Guard | Journal | Votes |
    /// |---|---|---|
    /// | whole | whole | at once |
    /// | whole | damaged above the tip | above the height of the guard's mark |
    /// | lost or damaged | whole | at once: it holds every own message above the block log |
    /// | lost or damaged | lost or damaged | after the others have said how far they are, see [`Memory::Lost`] |
    ///
    /// With [`Memory::Lost`] comes [`Mark::forgotten`], see [`note_losses`]. While the guard's newest mark is one of those,
    /// votes are lost whatever the files look like.
    pub fn recall(self) -> (Memory, Option<Mark>) {
        let forgotten = || {
            let known = self.mark.map_or(Height(0), |mark| mark.height);
            let mark = Mark::forgotten(known);
            // A mark that lifted an earlier loss of that height does not lift this one.
            if mark.is_above(self.mark.as_ref()) { mark } else { Mark::forgotten(known.next()) }
        };
        if self.mark.is_some_and(|mark| mark.is_forgotten()) {
            return (Memory::Lost, self.mark);
        }
        let mark = self.mark.filter(|mark| *mark != Mark::nothing());
        let guard_whole = self.guard_whole && self.mark.is_some();
        if is_active(Mutant::LossOfVotesIgnored) && !guard_whole && !self.journal_whole {
            return (Memory::Whole, mark);
        }
        let memory = match (guard_whole, self.journal_whole) {
            (_, true) => Memory::Whole,
            (true, false) => mark.map_or(Memory::Whole, |mark| Memory::From(mark.height.next())),
            (false, false) => return (Memory::Lost, Some(forgotten())),
        };
        (memory, mark)
    }
}

/// Notes in a guard's marks, of which chains both copies were lost, before the guard's file is written anew; the journal is
/// begun anew only after that. Else a node that stops before its peers have answered would find two new files at its next
/// start, and take them for whole ones.
pub fn note_losses(
    marks: &mut Marks,
    guard_whole: bool,
    chains: impl IntoIterator<Item = ChainTag>,
    journal_whole: impl Fn(ChainTag) -> bool,
) {
    for chain in chains {
        let mark = marks.get(&chain).and_then(Mark::decode);
        let copies = Copies { mark, guard_whole, journal_whole: journal_whole(chain) };
        if let (Memory::Lost, Some(mark)) = copies.recall() {
            marks.insert(chain, mark.encode());
        }
    }
}

/// Notes in a guard's marks, of which of these chains, which keep Raft logs, the journal lost something: with one copy of what it
/// signed left a voting validator goes on, but the log has no second copy. As [`note_losses`], before the journal is begun anew.
pub fn note_lost_logs(
    marks: &mut Marks,
    chains: impl IntoIterator<Item = ChainTag>,
    journal_whole: impl Fn(ChainTag) -> bool,
) {
    for chain in chains {
        let known = marks.get(&chain).and_then(Mark::decode);
        if !journal_whole(chain) && !known.is_some_and(|mark| mark.is_forgotten()) {
            let height = known.map_or(Height(0), |mark| mark.height.next());
            marks.insert(chain, Mark::forgotten(height).encode());
        }
    }
}

impl Memory {
    /// Whether a height may be voted on.
    pub fn allows(self, height: Height) -> bool {
        match self {
            Self::Whole => true,
            Self::From(first) => height >= first,
            Self::Lost => false,
        }
    }
}

/// Tips that peers told since the memory was lost.
#[derive(Debug, Default)]
pub(crate) struct Recollection {
    told: BTreeMap<Peer, Height>,
}

impl Recollection {
    /// A peer says how far it is; its first word counts.
    pub(crate) fn hear(&mut self, peer: Peer, height: Height) {
        self.told.entry(peer).or_insert(height);
    }

    /// The memory to go on with, once this node itself has verified every block up to what enough others told: two thirds
    /// of a group of `members`, as many as can be expected to answer truthfully. A tip beyond the blocks that there are
    /// never counts.
    pub(crate) fn conclude(&self, members: usize, tip: Height) -> Option<(Memory, Mark)> {
        let faulty = members.saturating_sub(1) / 3;
        let verified = self.told.values().filter(|height| **height <= tip).count();
        if verified < 2 * faulty + 1 {
            return None;
        }
        let pause = if is_active(Mutant::RejoinAtOnce) { 1 } else { REJOIN_HEIGHTS };
        let first = Height(tip.0 + pause);
        Some((Memory::From(first), Mark::end_of(Height(first.0 - 1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use catenary_consensus::SignedStep;

    #[test]
    fn a_validator_that_forgot_votes_again_three_heights_above_what_enough_others_told() {
        let mut told = Recollection::default();
        for (peer, height) in [(1, 7), (2, 9), (1, 2)] {
            told.hear(Peer(peer), Height(height));
        }
        assert_eq!(told.conclude(4, Height(9)), None, "two of three others");
        told.hear(Peer(3), Height(1_000_000));
        assert_eq!(told.conclude(4, Height(9)), None, "one of them tells what nobody can verify");
        told.hear(Peer(4), Height(9));
        let expected = (Memory::From(Height(12)), Mark::end_of(Height(11)));
        assert_eq!(told.conclude(4, Height(9)), Some(expected));
        assert_eq!(told.conclude(4, Height(8)), None, "what was told is not verified yet");
    }

    #[test]
    fn one_whole_copy_is_enough_and_without_any_the_memory_is_lost() {
        let mark = Mark::end_of(Height(7));
        let recall = |mark, guard_whole, journal_whole| Copies { mark, guard_whole, journal_whole }.recall();
        let from = Memory::From(Height(8));
        assert_eq!(recall(Some(mark), true, true), (Memory::Whole, Some(mark)));
        assert_eq!(recall(Some(mark), true, false), (from, Some(mark)));
        assert_eq!(recall(Some(mark), false, true), (Memory::Whole, Some(mark)));
        let forgotten = |height| Some(Mark::forgotten(Height(height)));
        let signed = Mark::new(Height(7), 0, SignedStep::Prevote, b"a vote");
        assert_eq!(recall(Some(signed), false, false), (Memory::Lost, forgotten(7)));
        assert_eq!(
            recall(Some(mark), false, false),
            (Memory::Lost, forgotten(8)),
            "what lifted a loss does not lift the next"
        );
        assert_eq!(recall(None, true, true), (Memory::Whole, None));
        assert_eq!(recall(None, true, false), (Memory::Lost, forgotten(0)), "an empty guard says nothing");
        assert_eq!(
            recall(forgotten(0), true, true),
            (Memory::Lost, forgotten(0)),
            "two files that were begun anew"
        );
        assert_eq!(recall(Some(Mark::nothing()), true, false), (Memory::Whole, None), "but this it says");
    }

    #[test]
    fn a_log_that_is_not_whole_is_lost_for_good_although_the_guard_remembers() {
        let [whole, lost, known] = ["whole", "lost", "known"].map(ChainTag::of);
        let signed = Mark::new(Height(7), 0, SignedStep::Precommit, b"a vote");
        let before = Mark::forgotten(Height(3));
        let mut marks =
            Marks::from([(whole, signed.encode()), (lost, signed.encode()), (known, before.encode())]);
        note_lost_logs(&mut marks, [whole, lost, known], |chain| chain == whole);
        let mark = |chain| Mark::decode(&marks[&chain]).unwrap();
        assert_eq!((mark(whole), mark(lost), mark(known)), (signed, Mark::forgotten(Height(8)), before));
        let next_start = Copies { mark: Some(mark(lost)), guard_whole: true, journal_whole: true };
        assert_eq!(next_start.recall().0, Memory::Lost);
    }

    #[test]
    fn memory_says_where_to_vote() {
        let allowed = |memory: Memory| [7, 8].map(|height| memory.allows(Height(height)));
        assert_eq!(allowed(Memory::Whole), [true, true]);
        assert_eq!(allowed(Memory::From(Height(8))), [false, true]);
        assert_eq!(allowed(Memory::Lost), [false, false]);
    }
}
