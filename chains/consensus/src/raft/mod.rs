//! The pure half of a crash-tolerant group: what a member does with the entries of a log that all members share.
//!
//! The log itself, its leader and its replication are Raft's, above the pure line. Here is what makes blocks of it:
//!
//! ```text
//!  leader   Build ─▶ host ─▶ Propose ─▶ Effect::Write ═▶ the log ═▶ committed on a majority
//!  all      Input::Applied ─▶ Effect::Check ─▶ host ─▶ Verdict ─▶ Publish(precommit, round 0)
//!  all      precommits of a majority of the power ─▶ Effect::Decide
//! ```
//!
//! Headers, sign-bytes and certificates are those of the voting engine. A member signs *when it applies*, through the same
//! guard and journal, so that a height has one signature of each member whatever becomes of leaders.
//!
//! # Rules
//!
//! - A leader builds once it has applied the blank entry of its own term, which says that it has applied all that any
//!   leader before it may have committed, and once the height before is decided: its certificate goes into the block.
//! - An applied entry that does not extend the last applied block is skipped, by every member alike.
//! - A member that lost its log has no [`Signer`](crate::Signer) here and no part in Raft: it follows by fetched blocks.

mod machine;
mod message;
mod record;

pub use machine::{Effect, Input, Member, Step};
pub use message::{
    Appended, Ballot, Base, Clock, ENTRIES_PER_MESSAGE_MAX, LogEntry, LogId, Membership, Message, Payload,
    Rpc, Term,
};
pub use record::{Record, RecordError};
