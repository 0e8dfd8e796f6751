//! Deliberate defects of the production code, by name: a checker is trusted once it has found every one of them.
//!
//! Each stands at one place as `if is_active(Mutant::…)`. Without the feature `mutants` that is `false` at compile time and
//! nothing of it is left; with it a thread may switch one on for what it runs, as the simulator's threads do.
//!
//! # Invariants
//!
//! - No binary that people run is built with the feature.
//! - At most one defect is active on a thread.

macro_rules! mutants {
    ($($(#[$doc:meta])+ $variant:ident = $name:literal,)+) => {
        /// A deliberate defect.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Mutant {
            $($(#[$doc])+ $variant,)+
        }

        impl Mutant {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// What it is called on command lines and in tables.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

mutants! {
    /// Exactly two thirds of the power are a quorum.
    QuorumOfTwoThirds = "quorum-of-two-thirds",
    /// A locked validator prevotes for another value.
    LockDropped = "lock-dropped",
    /// Votes of others are not written to the journal.
    ReceivedVotesNotJournalled = "received-votes-not-journalled",
    /// Own votes are not written to the journal.
    OwnVotesNotJournalled = "own-votes-not-journalled",
    /// A signature that is not in the cache counts as bad.
    CacheMissInvalid = "cache-miss-invalid",
    /// A member that signed a certificate twice counts twice.
    SignersCountedTwice = "signers-counted-twice",
    /// A certificate that a peer sends along with a block is believed.
    FetchedCertificateBelieved = "fetched-certificate-believed",
    /// Messages are sent before what they rest on is on disk.
    PublishedBeforeDurable = "published-before-durable",
    /// An untimely value stays refused, whatever quorum found it timely.
    UntimelyNeverLifted = "untimely-never-lifted",
    /// Any header time is timely.
    TimeNotJudged = "time-not-judged",
    /// A validator that lost its votes goes on as if it had cast none.
    LossOfVotesIgnored = "loss-of-votes-ignored",
    /// A validator that lost its votes takes part again in the height after the newest block.
    RejoinAtOnce = "rejoin-at-once",
    /// The block of a proposal is not written to the journal.
    BodyNotJournalled = "body-not-journalled",
    /// Records of a block that the block log holds, but not flushed, are dropped from the journal.
    TrimBeforeFlush = "trim-before-flush",
    /// A flush of the journal returns at once.
    FlushSkipped = "flush-skipped",
    /// A flush of the guard returns at once.
    GuardFlushSkipped = "guard-flush-skipped",
    /// A checksum of a journal record is not compared.
    JournalChecksumIgnored = "journal-checksum-ignored",
    /// Signatures of a proposed block's transactions are not checked.
    TransactionSignaturesUnchecked = "transaction-signatures-unchecked",
    /// A transaction of the replay window may stand in a block again.
    ReplayWindowIgnored = "replay-window-ignored",
    /// A block may name any root of the state before it.
    StateRootUnchecked = "state-root-unchecked",
    /// A block may be no later than the one before it.
    BlockTimeUnchecked = "block-time-unchecked",
    /// The certificate that a block carries of the block before it is believed.
    LastCertificateUnchecked = "last-certificate-unchecked",
    /// A transaction that its leader never heard of is not told again.
    NeverToldAgain = "never-told-again",
    /// A packet is received at its very deadline.
    ReceivedAtDeadline = "received-at-deadline",
    /// The receipt of a packet is not looked for.
    ReceiptUnchecked = "receipt-unchecked",
    /// The commitment stays when a packet is settled.
    CommitmentKept = "commitment-kept",
    /// The source's own clock times a packet out.
    TimeoutByLocalClock = "timeout-by-local-clock",
    /// A packet is timed out by a header one second before its deadline.
    TimedOutEarly = "timed-out-early",
    /// A proof that does not verify is believed.
    ProofUnchecked = "proof-unchecked",
    /// A header that too few signed is believed.
    LightClientQuorumUnchecked = "light-client-quorum-unchecked",
    /// The call that freezes a client fails, and the freeze goes with it.
    FreezeReverted = "freeze-reverted",
    /// A router does not look after calls of which it hears nothing.
    RouterGivesUp = "router-gives-up",
}

impl Mutant {
    /// The defect of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|mutant| mutant.name() == name)
    }
}

#[cfg(feature = "mutants")]
thread_local! {
    static ACTIVE: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// Whether the code is to behave that badly here and now.
#[cfg(feature = "mutants")]
pub fn is_active(mutant: Mutant) -> bool {
    ACTIVE.get() == Some(mutant)
}

/// Whether the code is to behave that badly here and now: never.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
pub const fn is_active(_: Mutant) -> bool {
    false
}

/// From here on this thread runs with a defect, or with none.
#[cfg(feature = "mutants")]
pub fn activate(mutant: Option<Mutant>) {
    ACTIVE.set(mutant);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_read_back() {
        let named: Vec<_> = Mutant::ALL.iter().filter_map(|mutant| Mutant::named(mutant.name())).collect();
        assert_eq!(named, Mutant::ALL);
    }
}
