//! What the engine takes for a state machine: passes applied entries on, in order.

use crate::{
    convert,
    engine::{Engine, Entry, Id, SnapshotMeta, StorageError, StoredMembers},
    group::Event,
    store::{Store, failed},
};
use openraft::{OptionalSend, RaftSnapshotBuilder, Snapshot, storage::RaftStateMachine};
use std::sync::Arc;
use tokio::sync::mpsc;

/// The end of the log where entries are final.
#[derive(Clone)]
pub(crate) struct Outlet {
    pub(crate) store: Arc<Store>,
    pub(crate) events: mpsc::UnboundedSender<Event>,
}

impl RaftStateMachine<Engine> for Outlet {
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<(Option<Id>, StoredMembers), StorageError> {
        let log = self.store.log();
        Ok((log.applied, log.members.clone()))
    }

    /// They wait in the member until their turn; the log keeps them in memory anyway.
    async fn apply<I>(&mut self, entries: I) -> Result<Vec<()>, StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let apply = |entry: Entry| {
            self.store.log().apply(&entry);
            // The member may be gone.
            let _ = self.events.send(Event::Applied(convert::entry(&entry)));
        };
        Ok(entries.into_iter().map(apply).collect())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<()>, StorageError> {
        Ok(Box::new(()))
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, _: Box<()>) -> Result<(), StorageError> {
        let base = convert::base(meta.last_log_id.as_ref(), &meta.last_membership);
        self.store.change_durably(|log| log.install(base)).await.map_err(failed)?;
        let last = meta.last_log_id.as_ref().map(convert::log_id);
        let _ = last.map(|last| self.events.send(Event::Installed(last)));
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Engine>>, StorageError> {
        Ok(self.store.log().snapshot.as_ref().map(snapshot))
    }
}

impl RaftSnapshotBuilder<Engine> for Outlet {
    async fn build_snapshot(&mut self) -> Result<Snapshot<Engine>, StorageError> {
        Ok(snapshot(&self.store.take_snapshot()))
    }
}

fn snapshot(base: &catenary_consensus::raft::Base) -> Snapshot<Engine> {
    Snapshot { meta: convert::snapshot_meta(base), snapshot: Box::new(()) }
}
