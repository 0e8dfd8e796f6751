//! Which seed finds which deliberate defect: those that a search from 0 on came to first, see `docs/simulation.md`.

use crate::{Layout, World};
use catenary_mutant::Mutant;

/// The worlds that were searched: small ones.
const LAYOUT: Layout = Layout { nodes: 4, chains: 2, seconds: 20, liars: 1, mutant: None };

/// The first seed that finds each.
const SEEDS: &[(Mutant, u64)] = &[
    (Mutant::QuorumOfTwoThirds, 0),
    (Mutant::LockDropped, 107),
    (Mutant::ReceivedVotesNotJournalled, 24),
    (Mutant::OwnVotesNotJournalled, 2),
    (Mutant::CacheMissInvalid, 0),
    (Mutant::SignersCountedTwice, 219),
    (Mutant::FetchedCertificateBelieved, 0),
    (Mutant::PublishedBeforeDurable, 9),
    (Mutant::UntimelyNeverLifted, 35),
    (Mutant::TimeNotJudged, 18),
    (Mutant::LossOfVotesIgnored, 132),
    (Mutant::RejoinAtOnce, 268),
    (Mutant::BodyNotJournalled, 4),
    (Mutant::TrimBeforeFlush, 14),
    (Mutant::FlushSkipped, 2),
    (Mutant::GuardFlushSkipped, 1309),
    (Mutant::JournalChecksumIgnored, 22),
    (Mutant::TransactionSignaturesUnchecked, 326),
    (Mutant::ReplayWindowIgnored, 22),
    (Mutant::StateRootUnchecked, 198),
    (Mutant::BlockTimeUnchecked, 202),
    (Mutant::LastCertificateUnchecked, 34),
    (Mutant::NeverToldAgain, 0),
    (Mutant::ReceivedAtDeadline, 2),
    (Mutant::ReceiptUnchecked, 3),
    (Mutant::CommitmentKept, 0),
    (Mutant::TimeoutByLocalClock, 47),
    (Mutant::TimedOutEarly, 494),
    (Mutant::ProofUnchecked, 106),
    (Mutant::LightClientQuorumUnchecked, 27),
    (Mutant::FreezeReverted, 0),
    (Mutant::RouterGivesUp, 0),
];

/// The defects that their seeds do not find any more.
pub fn missed() -> Vec<Mutant> {
    let is_found = |mutant: &Mutant| {
        let seed = SEEDS.iter().find(|(found, _)| found == mutant).map(|(_, seed)| *seed);
        let layout = Layout { mutant: Some(*mutant), ..LAYOUT };
        seed.is_some_and(|seed| World::outcome(seed, layout, false).1.is_some())
    };
    Mutant::ALL.iter().copied().filter(|mutant| !is_found(mutant)).collect()
}
