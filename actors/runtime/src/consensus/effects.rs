//! Runs the effects of the consensus machine, durable ones in their turn.

use super::actor::ConsensusActor;
use crate::chain::ChainMessage;
use actix::Context;
use catenary_consensus::Effect;
use catenary_replica::{PeerMessage, Recipients, from_consensus};
use std::collections::VecDeque;

/// Effects that wait until own signatures are on disk.
///
/// Appends are numbered. A step that signed makes all effects from it on wait for its append; whatever was received
/// before it went into the journal before it.
#[derive(Default)]
pub(super) struct Durable {
    appended: u64,
    on_disk: u64,
    /// The append of the last step that signed.
    signed: u64,
    waiting: VecDeque<(u64, Effect)>,
}

impl Durable {
    /// Numbers the next append.
    pub(super) fn next_append(&mut self) -> u64 {
        self.appended += 1;
        self.appended
    }

    /// Queues the effects of a step whose records, if any, were the last append.
    pub(super) fn push(&mut self, signed: bool, effects: Vec<Effect>) {
        if signed {
            self.signed = self.appended;
        }
        self.waiting.extend(effects.into_iter().map(|effect| (self.signed, effect)));
    }

    /// Everything up to this append is on disk.
    pub(super) fn reached(&mut self, append: u64) {
        self.on_disk = self.on_disk.max(append);
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
        durable.push(false, vec![effect(1)]);
        assert_eq!(durable.pop(), Some(effect(1)), "nothing was signed yet");
        durable.next_append();
        durable.push(true, vec![effect(2)]);
        durable.next_append();
        durable.push(false, vec![effect(3)]);
        assert_eq!(durable.pop(), None);
        durable.reached(1);
        assert_eq!([durable.pop(), durable.pop(), durable.pop()], [Some(effect(2)), Some(effect(3)), None]);
    }
}
