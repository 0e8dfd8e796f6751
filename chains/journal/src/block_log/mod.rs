//! The block log: one per chain, every block with its certificate, for ever.
//!
//! ```text
//! segment = header header' entry*      (the header stands twice: one flipped bit costs nothing)
//! entry   = head block certificate padding
//! ```
//!
//! Entries form a hash chain that starts from chain id and genesis hash and runs through all
//! segments, so whoever holds the genesis can verify a copy without the node that wrote it. An entry
//! carries its predecessor's hash and its own, so it can be verified on its own when it is read by height.
//!
//! The log is written behind the decision and flushed now and then, so more than the last entry can be torn.
//! Each head says up to which height the log was known to be flushed when it was written: what is bad
//! at or below a height that a later entry calls flushed is damage, and never cut off.

mod entry;
mod header;
mod reader;
mod report;
mod scan;
#[cfg(test)]
mod tests;
mod writer;

pub use entry::{Entry, EntryError, decode_entry};
pub use header::{CHAIN_ID_BYTES_MAX, Identity, InvalidChainId, VERSION};
pub use reader::{SegmentError, SegmentReader};
pub use report::{Cause, Damage, Repair, Report, TornTail};
pub use scan::{End, Located, Scan, Scanner};
pub use writer::{PartTooLarge, SegmentWriter};
