//! Runs the effects of the consensus machine, durable ones in their turn.

use super::actor::ConsensusActor;
use crate::chain::ChainMessage;
use actix::Context;
use catenary_consensus::Effect;
use catenary_replica::{PeerMessage, Recipients, from_consensus};
use std::collections::VecDeque;

/// Effects that wait until own signatures are on disk.
///
/// Steps that sign are numbered. Effects wait for the newest signature before them, its mark in the guard included;
/// whatever was received before it went into the journal before it.
#[derive(Default)]
pub(super) struct Durable {
    /// The last step that signed.
    signed: u64,
    on_disk: u64,
    waiting: VecDeque<(u64, Effect)>,
}

impl Durable {
    /// Numbers the next step that signs.
    pub(super) fn next_signature(&mut self) -> u64 {
        self.signed += 1;
        self.signed
    }

    /// Queues the effects of a step.
    pub(super) fn push(&mut self, effects: Vec<Effect>) {
        self.waiting.extend(effects.into_iter().map(|effect| (self.signed, effect)));
    }

    /// Everything up to this signature is on disk.
    pub(super) fn reached(&mut self, signature: u64) {
        self.on_disk = self.on_disk.max(signature);
    }

    /// The next effect whose turn has come.
    pub(super) fn pop(&mut self) -> Option<Effect> {
        let (needed, _) = self.waiting.front()?;
        if *needed > self.on_disk {
            return None;
        }
        self.waiting.pop_front().map(|(_, effect)| effect)
    }
}

impl ConsensusActor {
    pub(super) fn run_effect(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match &effect {
            Effect::SyncRefused { peer, height, reason } => {
                tracing::warn!(?peer, height = height.0, reason, "a fetched block is refused");
            }
            Effect::Abstain { height, reason } => {
                tracing::error!(height = height.0, ?reason, "this validator signs nothing at this height");
            }
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
                self.links.send(&self.chain_id, Recipients::All, &PeerMessage::Consensus(message));
            }
            Effect::Tell { peer, message } => {
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

#[cfg(test)]
mod tests {
    use super::*;
    use catenary_consensus::Peer;
    use catenary_types::Height;

    fn effect(height: u64) -> Effect {
        Effect::Ahead { peer: Peer(1), height: Height(height) }
    }

    #[test]
    fn effects_run_in_step_order_once_the_signature_before_them_is_on_disk() {
        let mut durable = Durable::default();
        durable.push(vec![effect(1)]);
        assert_eq!(durable.pop(), Some(effect(1)), "nothing was signed yet");
        let first = durable.next_signature();
        durable.push(vec![effect(2)]);
        durable.push(vec![effect(3)]);
        let second = durable.next_signature();
        durable.push(vec![effect(4)]);
        assert_eq!(durable.pop(), None);
        durable.reached(first);
        assert_eq!([durable.pop(), durable.pop(), durable.pop()], [Some(effect(2)), Some(effect(3)), None]);
        durable.reached(second);
        assert_eq!([durable.pop(), durable.pop()], [Some(effect(4)), None]);
    }
}
