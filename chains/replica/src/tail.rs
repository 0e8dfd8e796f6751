//! What a chain writes into the node's journal, and what a start makes of it.

use crate::interface::Recovered;
use catenary_consensus::{journal::Record as ConsensusRecord, raft};
use catenary_journal::journal::{ChainTag, Record};
use catenary_types::{Block, Height, Message};
use std::collections::BTreeMap;

/// A block's body.
const KIND_BODY: u8 = 1;
/// An input that the consensus engine consumed.
const KIND_CONSENSUS: u8 = 2;
/// The block log held this height, flushed, when the chain was opened.
const KIND_FLUSHED: u8 = 3;
/// A change of the chain's Raft log.
const KIND_RAFT: u8 = 4;

/// A record of this chain that does not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal holds a record of height {height}, kind {kind}, that does not read: {reason}")]
pub struct UnreadableRecord {
    /// Its height.
    pub height: Height,
    /// Its kind.
    pub kind: u8,
    /// What is wrong.
    pub reason: String,
}

/// The record of a body.
pub fn body_record(chain: ChainTag, block: &Block) -> Record {
    Record { chain, height: block.header.height.0, kind: KIND_BODY, payload: block.encode() }
}

/// The record of what consensus consumed.
pub fn consensus_record(chain: ChainTag, record: ConsensusRecord) -> Record {
    Record { chain, height: record.height.0, kind: KIND_CONSENSUS, payload: record.bytes }
}

/// What consensus consumed, if the record is of that.
pub fn consensus_part(record: &Record) -> Option<ConsensusRecord> {
    let part = || ConsensusRecord { height: Height(record.height), bytes: record.payload.clone() };
    (record.kind == KIND_CONSENSUS).then(part)
}

/// The record that the block log is flushed up to a height, so that its end is missed if it goes.
pub fn flushed_record(chain: ChainTag, flushed: Height) -> Record {
    Record { chain, height: flushed.0, kind: KIND_FLUSHED, payload: Vec::new() }
}

/// The record of a change of the Raft log. Its height never falls from one record to the next, so that records in order of
/// heights are in order of time.
pub fn raft_record(chain: ChainTag, height: Height, record: &raft::Record) -> Record {
    Record { chain, height: height.0, kind: KIND_RAFT, payload: record.encode() }
}

/// A chain's records of heights whose blocks are not flushed in its log.
#[derive(Debug, Default)]
pub struct Tail {
    records: BTreeMap<u64, Vec<Record>>,
}

impl Tail {
    /// Adds what is written, or what a scan found.
    pub fn extend(&mut self, records: impl IntoIterator<Item = Record>) {
        for record in records {
            self.records.entry(record.height).or_default().push(record);
        }
    }

    /// Forgets what is flushed in the block log.
    pub fn trim(&mut self, flushed: Height) {
        self.records = self.records.split_off(&flushed.next().0);
    }

    /// What a start goes on from.
    pub fn recovered(&self) -> Result<Recovered, UnreadableRecord> {
        let mut recovered = Recovered::default();
        for record in self.records.values().flatten() {
            let height = Height(record.height);
            let failed = |reason: String| UnreadableRecord { height, kind: record.kind, reason };
            match record.kind {
                KIND_BODY => {
                    let block = Block::decode(&record.payload).map_err(|error| failed(error.to_string()))?;
                    recovered.bodies.push(block);
                }
                KIND_CONSENSUS => {
                    recovered.records.push(ConsensusRecord { height, bytes: record.payload.clone() });
                }
                KIND_FLUSHED | KIND_RAFT => {}
                _ => return Err(failed("unknown kind".into())),
            }
        }
        Ok(recovered)
    }

    /// The changes of the Raft log, in the order in which they were made, each with the height that it is kept until.
    pub fn raft(&self) -> Result<Vec<(Height, raft::Record)>, UnreadableRecord> {
        let of_raft = self.records.values().flatten().filter(|record| record.kind == KIND_RAFT);
        let read = |record: &Record| {
            let (height, kind) = (Height(record.height), record.kind);
            let decoded = raft::Record::decode(&record.payload);
            let read =
                decoded.map_err(|error| UnreadableRecord { height, kind, reason: error.to_string() })?;
            Ok((height, read))
        };
        of_raft.map(read).collect()
    }

    /// The height up to which blocks were decided as far as this journal knows, if the block log ends below it, at `tip`,
    /// and the block after `tip` is not here either.
    pub fn decided_beyond(&self, tip: Height) -> Option<Height> {
        let next = tip.next();
        // What a Raft log is kept under says nothing of decisions.
        let decided = |record: &Record| match record.kind {
            KIND_RAFT => None,
            KIND_FLUSHED => Some(record.height),
            _ => Some(record.height.saturating_sub(1)),
        };
        let above = || self.records.range(next.0..).flat_map(|(_, records)| records);
        let decided = above().filter_map(decided).max()?;
        let is_next = |record: &Record| match record.kind {
            KIND_BODY => record.height == next.0,
            KIND_RAFT => raft::Record::decode(&record.payload).is_ok_and(|record| record.is_block_of(next)),
            _ => false,
        };
        let has_next = above().any(is_next);
        (decided > tip.0 && !has_next).then_some(Height(decided))
    }
}
