//! The journal: one per node, for all chains, in the order the engines consumed the records.
//!
//! A journal is a row of segments; a segment is a header and batches; a batch is what one write and
//! one flush made durable:
//!
//! ```text
//! segment  = header header' batch*            (the header stands twice: one flipped bit costs nothing)
//! batch    = record* [inventory] commit       (atomic: without its commit it was never acknowledged)
//! commit   = directory of the batch: chain, number of records, highest height
//! inventory = the segments that are live      (a missing one is damage, any other is left over from trimming)
//! ```
//!
//! Batches are numbered over the whole journal, frames within their batch, and a frame's checksum covers
//! journal id, segment and offset. The next batch is written only after the last one was flushed; so
//! only the last batch of the last segment can be torn, and whatever else does not read is damage.
//! The directory names the chain of a record whose own header does not read any more.
//!
//! One ambiguity is left to the safety guard, which holds the votes' second copy: a zeroed sector in the
//! very last batch looks exactly like an incomplete write, and a journal cut between two batches like a
//! shorter journal.

mod frame;
mod record;
mod report;
mod scan;
mod segment;
#[cfg(test)]
mod tests;
mod walk;

pub use crate::layout::PAYLOAD_BYTES_MAX;
pub use record::{ChainTag, JournalId, Record};
pub use report::{Cause, Damage, Lost, Repair, Report, TornTail};
pub use scan::{Next, Scan, Scanner, SegmentSummary};
pub use segment::{RecordTooLarge, SegmentWriter, VERSION};
