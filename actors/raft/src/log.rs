//! The engine's view of the log.

use crate::{
    config::MESSAGE_BYTES_MAX,
    convert,
    engine::{Engine, Entry, Id, StorageError, Vote},
    store::{Store, failed},
};
use openraft::{
    EntryPayload, LogState, OptionalSend, RaftLogReader,
    storage::{LogFlushed, RaftLogStorage},
};
use std::{fmt::Debug, io, ops::RangeBounds, sync::Arc};

/// The log as the engine reads and writes it.
#[derive(Clone)]
pub(crate) struct LogStore(pub(crate) Arc<Store>);

impl RaftLogReader<Engine> for LogStore {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry>, StorageError> {
        Ok(self.0.log().range(range).cloned().collect())
    }

    /// As many as fit a message.
    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, StorageError> {
        let mut bytes = 0;
        let fits = |entry: &&Entry| {
            let is_first = bytes == 0;
            bytes += size(entry);
            is_first || bytes <= MESSAGE_BYTES_MAX
        };
        Ok(self.0.log().range(start..end).take_while(fits).cloned().collect())
    }
}

/// About as many bytes as an entry has on the wire; at least one.
fn size(entry: &Entry) -> usize {
    match &entry.payload {
        EntryPayload::Normal(block) => block.envelopes.iter().map(Vec::len).sum::<usize>() + 1_024,
        EntryPayload::Blank | EntryPayload::Membership(_) => 1_024,
    }
}

impl RaftLogStorage<Engine> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Engine>, StorageError> {
        let log = self.0.log();
        let purged = log.base.last.as_ref().map(convert::log_id_back);
        Ok(LogState { last_purged_log_id: purged, last_log_id: log.last() })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        self.0.change_durably(|log| vec![log.vote(*vote)]).await.map_err(failed)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        Ok(self.0.log().ballot)
    }

    async fn append<I>(&mut self, entries: I, flushed: LogFlushed<Engine>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let on_durable = Box::new(move |result: Result<(), String>| {
            flushed.log_io_completed(result.map_err(io::Error::other));
        });
        self.0.change(on_durable, |log| log.append(entries)).map_err(failed)
    }

    async fn truncate(&mut self, from: Id) -> Result<(), StorageError> {
        self.0.change(Box::new(|_| ()), |log| vec![log.cut_from(from.index)]).map_err(failed)
    }

    async fn purge(&mut self, upto: Id) -> Result<(), StorageError> {
        self.0.cut_behind(upto).map_err(failed)
    }
}
