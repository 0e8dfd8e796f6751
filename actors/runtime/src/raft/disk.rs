//! A chain's Raft log in the node's journal.

use crate::journal::ChainJournal;
use catenary_consensus::raft::Record;
use catenary_raft::{Disk, OnDurable};
use catenary_replica::{Memory, UnreadableRecord};
use catenary_store::failpoint::{Failpoint, reached};
use catenary_types::{Address, Genesis, Height};
use std::collections::BTreeSet;

/// What a start finds of a chain's log.
pub(crate) struct RaftLog {
    /// Its records, unless the log is not known to be whole.
    pub(crate) records: Option<Vec<(Height, Record)>>,
    /// The first members of the group.
    pub(crate) first_members: BTreeSet<Address>,
}

/// Reads a chain's log. Whoever cannot tell what it signed cannot tell either what it acknowledged or whom it voted for,
/// and a vote that is given twice makes two leaders of one term.
pub(crate) fn recover(
    journal: &ChainJournal,
    genesis: &Genesis,
    memory: Memory,
) -> Result<RaftLog, UnreadableRecord> {
    let records = (memory == Memory::Whole).then(|| journal.raft()).transpose()?;
    let first_members = genesis.validators.iter().map(|validator| validator.address()).collect();
    Ok(RaftLog { records, first_members })
}

/// The journal as the engine's disk.
pub(super) struct JournalDisk(pub(super) ChainJournal);

impl Disk for JournalDisk {
    fn append(&self, records: Vec<(Height, Record)>, on_durable: OnDurable) -> Result<(), String> {
        reached(Failpoint::AppendRaft);
        let on_durable = Box::new(move |result: Result<(), _>| {
            reached(Failpoint::RaftDurable);
            on_durable(result.map_err(|error| format!("journal: {error}")));
        });
        self.0.append_raft(records, on_durable).map_err(|refused| format!("journal: {}", refused.reason))
    }

    fn flushed(&self) -> Height {
        self.0.flushed()
    }

    fn release(&self, height: Height) {
        self.0.release(height);
    }
}
