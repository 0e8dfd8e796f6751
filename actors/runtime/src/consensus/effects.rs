//! Runs the effects of the consensus machine, durable ones in their turn.

use super::actor::ConsensusActor;
use crate::chain::ChainMessage;
use actix::Context;
use catenary_consensus::Effect;
use catenary_replica::{PeerMessage, Recipients, from_consensus};
use catenary_store::failpoint::{Failpoint, reached};

impl ConsensusActor {
    pub(super) fn run_effect(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match &effect {
            Effect::SyncRefused { peer, height, reason } => {
                tracing::warn!(?peer, height = height.0, reason, "a fetched block is refused");
            }
            Effect::Abstain { height, reason } => {
                tracing::error!(height = height.0, ?reason, "this validator signs nothing at this height");
            }
            Effect::Decide(_) => reached(Failpoint::DecisionTaken),
            _ => {}
        }
        let notice = match from_consensus(effect) {
            Ok(input) => {
                if let Some(chain) = &self.chain {
                    chain.do_send(ChainMessage::Replica(Box::new(input)));
                }
                return;
            }
            Err(notice) => notice,
        };
        match notice {
            Effect::Publish(message) => {
                reached(Failpoint::ConsensusPublish);
                self.links.send(&self.chain_id, Recipients::All, &PeerMessage::Consensus(message));
            }
            Effect::Tell { peer, message } => {
                reached(Failpoint::ConsensusTell);
                self.links.send(&self.chain_id, Recipients::One(peer), &PeerMessage::Consensus(message));
            }
            Effect::RoundStarted { .. } => {}
            Effect::Abstain { .. } => {}
            Effect::Halt(error) => self.fail(error.to_string(), ctx),
            Effect::Build { .. }
            | Effect::Ahead { .. }
            | Effect::SyncRefused { .. }
            | Effect::JudgeSynced { .. }
            | Effect::Restream { .. }
            | Effect::Decide(_) => {
                unreachable!("these are inputs of the replica")
            }
        }
    }
}
