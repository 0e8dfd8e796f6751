//! The chain's part in snapshots: when one is taken, what peers are answered, and beginning with one.

use super::actor::{ChainActor, ChainMessage};
use crate::{
    host::Host,
    snapshot::{Take, TakeError, store_base},
};
use actix::{ActorContext, ActorFutureExt, AsyncContext, Context, WrapFuture};
use catenary_consensus::Peer;
use catenary_replica::{Recipients, Snapshot, SnapshotPart};
use catenary_types::Height;
use std::sync::Arc;

impl ChainActor {
    /// A checkpoint is written. If a snapshot is due the next checkpoint waits for it.
    pub(super) fn checkpoint_written(&self, ctx: &Context<Self>) {
        let (snapshots, reader) = (self.snapshots.clone(), self.reader.clone());
        let (platform, address) = (self.platform.clone(), ctx.address());
        // A closed lane means that the chain is stopping.
        let _ = self.lane.run(move |host| {
            host.checkpoint_written();
            if !host.checkpointed().is_some_and(|height| snapshots.is_due(height)) {
                return;
            }
            host.hold();
            let take = Take { snapshots, space: host.space(), reader };
            let taken = platform.start_once("snapshot", move || {
                address.do_send(ChainMessage::SnapshotTaken(take.run()));
            });
            if taken.is_err() {
                host.release();
            }
        });
    }

    /// A snapshot was taken, or could not be.
    pub(super) fn snapshot_taken(&mut self, result: Result<Height, TakeError>) {
        let chain = &self.replica.tip().chain_id;
        match result {
            Ok(height) => {
                tracing::info!(%chain, %height, "a snapshot was taken");
                self.snapshots.note(height);
            }
            Err(error @ (TakeError::TooEarly(_) | TakeError::Moved(_))) => {
                tracing::debug!(%chain, %error, "no snapshot yet");
            }
            Err(error) => {
                tracing::warn!(%chain, %error, "no snapshot could be taken");
                // Trying again at every checkpoint would say the same every two seconds.
                self.snapshots.note(self.replica.tip().height);
            }
        }
        let _ = self.lane.run(Host::release);
    }

    /// Reads a part of a snapshot on a thread that may wait, and sends it.
    pub(super) fn serve_snapshot(&mut self, peer: Peer, part: SnapshotPart, ctx: &mut Context<Self>) {
        if !self.serving_snapshot.insert(peer) {
            return;
        }
        let (platform, snapshots) = (self.platform.clone(), self.snapshots.clone());
        let read = async move { platform.read(move || snapshots.answer(part)).await };
        ctx.spawn(read.into_actor(self).map(move |answer, actor, _| {
            actor.serving_snapshot.remove(&peer);
            if let Some(answer) = answer {
                actor.links.send(&actor.replica.tip().chain_id, Recipients::One(peer), &answer);
            }
        }));
    }

    /// Stores a snapshot of another node, and has the chain rebuilt on it.
    pub(super) fn restore(&mut self, snapshot: Arc<Snapshot>, ctx: &mut Context<Self>) {
        let (platform, dir) = (self.platform.clone(), self.dir.clone());
        let height = snapshot.manifest.manifest().height();
        let write = move || store_base(&dir, snapshot.manifest.manifest(), &snapshot.chunks);
        let written = async move { platform.read(write).await };
        ctx.spawn(written.into_actor(self).map(move |written, actor, ctx| match written {
            Some(Ok(())) => {
                let chain = &actor.replica.tip().chain_id;
                tracing::info!(%chain, %height, "the chain begins with a snapshot of another node");
                actor.watch.restored();
                ctx.stop();
            }
            Some(Err(error)) => actor.fail(format!("storing a snapshot: {error}"), ctx),
            None => actor.fail("storing a snapshot panicked".into(), ctx),
        }));
    }
}
