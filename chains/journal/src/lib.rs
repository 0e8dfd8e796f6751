//! The bytes a node keeps on disk: the journal, the block log and sealed index values.
//!
//! Everything here works on byte slices. A caller that owns a disk (the store) or pretends to own one
//! (the simulator) reads whole segments, hands them to a scanner, and carries out the repair plan that
//! comes back; the formats are written down byte by byte in `docs/formats/journal.md` and
//! `docs/formats/block-log.md`.
//!
//! ```text
//!   records ──> SegmentWriter::append ──> bytes ──> disk
//!                                                    │ crash, tear, flip
//!   records <── Scanner <── bytes <──────────────────┘
//!   report, repair plan <─┘
//! ```
//!
//! A scan tells three endings apart. A *clean* end. A *torn tail*: the last write did not complete, so it
//! was never acknowledged; the plan cuts it off and the report names it. *Damage*: bytes that were durable
//! have changed; they are named with segment and offset, never served and never cut off.
//!
//! # Invariants
//!
//! - No IO, no clock, no threads, no randomness: identifiers that must be unique are arguments.
//! - A checksum binds bytes to their place (journal, segment, offset; chain, file, offset; key), so that
//!   intact bytes in the wrong place are damage too.
//! - Scanning is total: any bytes give a result, never a panic, in time linear in the input but for
//!   the search after damage, which hashes one header per eight bytes at worst.
//! - What a scan serves is exactly what was appended, in order. What it withholds stands in the report.

pub mod block_log;
mod doubled;
pub mod guard;
pub mod journal;
mod layout;
pub mod sealed;
mod tear;

pub use layout::UnsupportedVersion;
