//! Runs the effects of the pure member, durable ones in their turn.

use super::actor::RaftActor;
use crate::chain::ChainMessage;
use actix::Context;
use catenary_consensus::{AbstainReason, Effect as GroupEffect, raft::Effect};
use catenary_replica::{Input, PeerMessage, Recipients, from_consensus};

impl RaftActor {
    pub(super) fn run_effect(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::Group(effect) => self.run_group_effect(effect, ctx),
            Effect::Check(value) => {
                if let Some(block) = self.body(&value.block) {
                    self.tell_chain(Input::Logged(block));
                }
            }
            Effect::Write(value) => {
                let block = self.body(&value.block);
                if let (Some(group), Some(block)) = (&self.group, block) {
                    group.write(block);
                }
            }
        }
    }

    pub(super) fn run_group_effect(&mut self, effect: GroupEffect, ctx: &mut Context<Self>) {
        match &effect {
            GroupEffect::SyncRefused { peer, height, reason } => {
                tracing::warn!(?peer, height = height.0, reason, "a fetched block is refused");
            }
            GroupEffect::Abstain { height, reason } => {
                tracing::error!(height = height.0, ?reason, "this validator signs nothing at this height");
                if matches!(reason, AbstainReason::Forgotten(_)) {
                    self.leave();
                }
            }
            _ => {}
        }
        let notice = match from_consensus(effect) {
            Ok(input) => return self.tell_chain(input),
            Err(notice) => notice,
        };
        match notice {
            GroupEffect::Publish(message) => {
                self.links.send(&self.chain_id, Recipients::All, &PeerMessage::Consensus(message));
            }
            GroupEffect::Tell { peer, message } => {
                self.links.send(&self.chain_id, Recipients::One(peer), &PeerMessage::Consensus(message));
            }
            GroupEffect::RoundStarted { .. } | GroupEffect::Abstain { .. } => {}
            GroupEffect::Halt(error) => self.fail(error.to_string(), ctx),
            GroupEffect::Build { .. }
            | GroupEffect::Ahead { .. }
            | GroupEffect::SyncRefused { .. }
            | GroupEffect::JudgeSynced { .. }
            | GroupEffect::Restream { .. }
            | GroupEffect::Decide(_) => {
                unreachable!("these are inputs of the replica")
            }
        }
    }

    fn tell_chain(&self, input: Input) {
        if let Some(chain) = &self.chain {
            chain.do_send(ChainMessage::Replica(Box::new(input)));
        }
    }
}
