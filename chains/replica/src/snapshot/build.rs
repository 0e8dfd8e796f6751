//! Making a snapshot: content is cut into chunks as it comes.

use super::{Chunk, ChunkSummary, ReplayEntry, StateEntry};
use crate::limits::SNAPSHOT_CHUNK_BYTES;
use catenary_crypto::sha256;
use catenary_types::Message;

/// Gathers content in its order, and gives out chunks as they fill up.
#[derive(Debug)]
pub struct Chunks {
    open: Chunk,
    /// Bytes of keys and values in it, a few of framing for each.
    bytes: usize,
    summaries: Vec<ChunkSummary>,
}

/// Bytes around an entry or id: keys, lengths, the name of the store.
const FRAMING_BYTES: usize = 32;

impl Default for Chunks {
    fn default() -> Self {
        Self { open: Chunk { entries: Vec::new(), ids: Vec::new() }, bytes: 0, summaries: Vec::new() }
    }
}

impl Chunks {
    /// Adds an entry; a chunk that is full comes out.
    pub fn entry(&mut self, entry: StateEntry) -> Option<Vec<u8>> {
        self.bytes += entry.key.len() + entry.value.len() + FRAMING_BYTES;
        self.open.entries.push(entry);
        self.full()
    }

    /// Adds an id; a chunk that is full comes out.
    pub fn id(&mut self, id: ReplayEntry) -> Option<Vec<u8>> {
        self.bytes += 2 * FRAMING_BYTES;
        self.open.ids.push(id);
        self.full()
    }

    /// The last chunk, if there is anything left, and what the manifest says of all of them.
    pub fn finish(mut self) -> (Option<Vec<u8>>, Vec<ChunkSummary>) {
        let last = (self.bytes > 0).then(|| self.close());
        (last, self.summaries)
    }

    fn full(&mut self) -> Option<Vec<u8>> {
        (self.bytes >= SNAPSHOT_CHUNK_BYTES).then(|| self.close())
    }

    fn close(&mut self) -> Vec<u8> {
        let encoded = self.open.encode();
        self.open.entries.clear();
        self.open.ids.clear();
        let bytes = u32::try_from(encoded.len()).expect("a chunk is closed long before 4 GiB");
        self.summaries.push(ChunkSummary { bytes, hash: sha256(&encoded) });
        self.bytes = 0;
        encoded
    }
}
