//! Runs the effects of the replica machine.

use super::actor::{ChainActor, ChainMessage};
use crate::consensus::ConsensusMessage;
use actix::{AsyncContext, Context};
use catenary_replica::{Effect, Job};

impl ChainActor {
    /// Runs one effect. An error stops the chain.
    pub(super) fn run_effect(&mut self, effect: Effect, ctx: &mut Context<Self>) -> Result<(), String> {
        match effect {
            Effect::Work(job) => self.work(job, ctx),
            Effect::Consensus(input) => {
                let consensus = self.consensus.as_ref().ok_or("the chain has no consensus group")?;
                consensus.do_send(ConsensusMessage::Input(input));
                Ok(())
            }
            Effect::Reply { ticket, outcomes } => {
                if let Some(reply) = self.replies.remove(&ticket) {
                    // Whoever asked may be gone.
                    let _ = reply.send(outcomes);
                }
                Ok(())
            }
            // A group of one has nobody to send to.
            Effect::SendBody(_) => Ok(()),
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
            Effect::Rejected { value, reason } => {
                tracing::warn!(chain = %self.replica.tip().chain_id, %value, reason, "a proposed block is invalid");
                Ok(())
            }
        }
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
