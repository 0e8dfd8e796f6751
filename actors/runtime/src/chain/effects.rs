//! Runs the effects of the replica machine.

use super::actor::{ChainActor, ChainMessage};
use crate::suspect::Suspect;
use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use catenary_consensus::Peer;
use catenary_replica::{Effect, Job, PeerMessage, Recipients};
use catenary_store::failpoint::{Failpoint, reached};
use catenary_types::Height;

impl ChainActor {
    /// Runs one effect. An error stops the chain.
    pub(super) fn run_effect(&mut self, effect: Effect, ctx: &mut Context<Self>) -> Result<(), String> {
        match effect {
            Effect::Work(job) => self.work(job, ctx),
            Effect::Consensus(input) => {
                self.consensus.input(input);
                Ok(())
            }
            Effect::Reply { ticket, outcomes } => {
                if let Some(reply) = self.replies.remove(&ticket) {
                    reached(Failpoint::SubmissionReply);
                    // Whoever asked may be gone.
                    let _ = reply.send(outcomes);
                }
                Ok(())
            }
            Effect::Send { message: PeerMessage::Body(_), .. } if !self.consensus.sends_bodies() => Ok(()),
            Effect::Send { to, message } => {
                reached(Failpoint::ReplicaSend);
                self.links.send(&self.replica.tip().chain_id, to, &message);
                Ok(())
            }
            Effect::Serve { peer, from } => {
                self.serve(peer, from, ctx);
                Ok(())
            }
            Effect::ServeSnapshot { peer, part } => {
                self.serve_snapshot(peer, part, ctx);
                Ok(())
            }
            Effect::SnapshotRefused { peer, error } => {
                tracing::warn!(chain = %self.replica.tip().chain_id, ?peer, %error, "a peer's snapshot is refused");
                Ok(())
            }
            Effect::Restore(snapshot) => {
                self.restore(snapshot, ctx);
                Ok(())
            }
            Effect::Committed(committed) => {
                self.pool = committed.pool;
                tracing::debug!(
                    chain = %committed.executed.tip.chain_id,
                    height = committed.executed.tip.height.0,
                    envelopes = committed.executed.block.envelopes.len(),
                    "block is final"
                );
                Ok(())
            }
            Effect::Diverged(divergence) => self.hand_over(divergence.to_string(), ctx),
            Effect::Rejected { value, reason } => {
                tracing::warn!(chain = %self.replica.tip().chain_id, %value, reason, "a proposed block is invalid");
                Ok(())
            }
        }
    }

    /// Has the lane copy its state, which others do not have, for the supervisor to look into.
    fn hand_over(&self, reason: String, ctx: &Context<Self>) -> Result<(), String> {
        let address = ctx.address();
        let queued = self.lane.run(move |host| {
            let state = Box::new(Suspect::of(host.worker().state()));
            address.do_send(ChainMessage::Diverged { reason, state });
        });
        queued.map_err(|error| error.to_string())
    }

    /// Reads blocks on a thread that may wait, and sends them.
    fn serve(&mut self, peer: Peer, from: Height, ctx: &mut Context<Self>) {
        if !self.serving.insert(peer) {
            return;
        }
        let (platform, reader) = (self.platform.clone(), self.reader.clone());
        let read = async move { platform.read(move || reader.fetch(from)).await };
        ctx.spawn(read.into_actor(self).map(move |blocks, actor, _| {
            reached(Failpoint::BlocksServed);
            actor.serving.remove(&peer);
            let blocks = blocks.unwrap_or_default();
            actor.meter.served(blocks.len());
            let chain_id = &actor.replica.tip().chain_id;
            actor.links.send(chain_id, Recipients::One(peer), &PeerMessage::Blocks(blocks));
        }));
    }

    fn work(&self, job: Job, ctx: &Context<Self>) -> Result<(), String> {
        let address = ctx.address();
        let queued = self.lane.run(move |host| match host.run(job) {
            Ok(done) => address.do_send(ChainMessage::Done(Box::new(done))),
            Err(reason) => address.do_send(ChainMessage::Failed(reason)),
        });
        queued.map_err(|error| error.to_string())
    }
}
