//! Consensus of one group: the BFT engine (Malachite, of the Tendermint family) hosted as a pure step machine.
//!
//! [`Consensus`] takes an [`Input`] with the time and gives a [`Step`]: records for the journal, and effects for the
//! shell. It agrees on *values*, a header's hash and time; bodies travel by the shell. It serves a validator or an
//! observer, in a group of one or of many, with the same code.
//!
//! ```text
//!            StartHeight ──▶ asleep ──Wake, or a third of the power heard──▶ round 0 ─▶ round 1 ─▶ …
//!                              │                                                │
//!                              └──────────── Synced ─────────────┐              │ quorum of precommits
//!                                                                ▼              ▼
//!            StartHeight of the next height ◀── commit ◀────── Effect::Decide(certificate)
//!
//!  leader      Build ─▶ host ─▶ Propose ─▶ Publish(proposal)      the body goes out by the host
//!  others      proposal + body: host ─▶ Verdict ─▶ timely? ─▶ Publish(prevote)
//!  all         2/3 prevotes ─▶ Publish(precommit),  2/3 precommits ─▶ Decide
//! ```
//!
//! Rules of the ledger that live here: who leads ([`leader`]), which header times are accepted ([`timeliness`]), what a
//! vote covers ([`Vote::sign_bytes`]), the canonical certificate.
//!
//! # Restart
//!
//! [`StartHeight::replay`] takes the height's journal; the engine consumes the same inputs again and arrives where it
//! stood. Own messages found in the journal are published again with the same signature. The engine checks that it wants
//! to sign what is recorded; whatever is not recorded passes the guard ([`Signer`]), which knows the highest message ever
//! signed from a second file. If either disagrees, the validator abstains until the height is decided: it follows the
//! others and signs nothing. So no crash, no lost tail of a journal and no restored backup makes a validator contradict
//! itself.
//!
//! # Deviations from the engine's usual hosts
//!
//! - Messages of later heights wait here, bounded per peer, and not in the engine.
//! - Empty heights do not start: a height sleeps until there is something to decide, and its timers stand still when
//!   there no longer is.
//! - A verdict has three values, see [`timeliness`]; the engine knows two.
//! - The engine reads a monotonic clock at the start of a height, for a feature that is never switched on (a target time
//!   per height). Nothing here depends on it.
//!
//! # Invariants
//!
//! - A step depends on the inputs and times given so far and on nothing else: no clock, no IO, no randomness.
//! - No two signatures of one validator for one (height, round, step), over every crash and replay.
//! - Nothing is published before the record of it, and of all that led to it, is on disk: see [`Step`].
//! - A certificate that leaves holds verified signatures only, in the set's order. A vote with another time is a vote for
//!   another value; there is no time beside a vote that could be wrong.
//! - No type of the engine appears in the interface; the engine is driven in one place.
//! - What peers can make this machine hold is bounded: messages per peer, rounds ahead, proposals per round, values.

mod effects;
mod engine;
mod host;
mod interface;
pub mod journal;
pub mod leader;
mod machine;
mod message;
mod outbox;
mod pending;
pub mod raft;
mod signer;
pub mod timeliness;
mod timers;
mod verify;
mod voters;

pub use interface::{
    AbstainReason, Decision, Effect, Error, Input, Start, StartHeight, Step, Verdict, Voting,
};
pub use journal::{Origin, Record};
pub use machine::Consensus;
pub use message::{
    Evidence, Message, PolkaCertificate, PolkaSignature, Proposal, ROUND_LIMIT, RoundCertificate,
    RoundCertificateKind, RoundSignature, SignedProposal, SignedVote, ValueId, Vote,
};
pub use outbox::Outbox;
pub use pending::{HEIGHTS_AHEAD_MAX, PER_PEER_MAX, Peer};
pub use signer::{Mark, Refusal, SignedStep, Signer};
pub use timeliness::TimelinessParameters;
pub use timers::Timeouts;
pub use verify::{LocalCache, SignatureCache, signature_id};
pub use voters::{Claim, Voters};
