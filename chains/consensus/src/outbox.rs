//! What a machine may say only once its signatures are on disk.

use crate::interface::Effect;
use catenary_mutant::{Mutant, is_active};
use std::collections::VecDeque;

/// Effects that wait until own signatures are on disk.
///
/// Steps that sign are numbered. Effects wait for the newest signature before them, its mark in the guard included;
/// whatever was received before it went into the journal before it.
#[derive(Debug, Default)]
pub struct Outbox {
    /// The last step that signed.
    signed: u64,
    on_disk: u64,
    waiting: VecDeque<(u64, Effect)>,
}

impl Outbox {
    /// Numbers the next step that signs.
    pub fn next_signature(&mut self) -> u64 {
        self.signed += 1;
        self.signed
    }

    /// Queues the effects of a step.
    pub fn push(&mut self, effects: Vec<Effect>) {
        self.waiting.extend(effects.into_iter().map(|effect| (self.signed, effect)));
    }

    /// Everything up to this signature is on disk.
    pub fn reached(&mut self, signature: u64) {
        self.on_disk = self.on_disk.max(signature);
    }

    /// The next effect whose turn has come.
    pub fn pop(&mut self) -> Option<Effect> {
        let (needed, _) = self.waiting.front()?;
        if *needed > self.on_disk && !is_active(Mutant::PublishedBeforeDurable) {
            return None;
        }
        self.waiting.pop_front().map(|(_, effect)| effect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pending::Peer;
    use catenary_types::Height;

    fn effect(height: u64) -> Effect {
        Effect::Ahead { peer: Peer(1), height: Height(height) }
    }

    #[test]
    fn effects_run_in_step_order_once_the_signature_before_them_is_on_disk() {
        let mut outbox = Outbox::default();
        outbox.push(vec![effect(1)]);
        assert_eq!(outbox.pop(), Some(effect(1)), "nothing was signed yet");
        let first = outbox.next_signature();
        outbox.push(vec![effect(2)]);
        outbox.push(vec![effect(3)]);
        let second = outbox.next_signature();
        outbox.push(vec![effect(4)]);
        assert_eq!(outbox.pop(), None);
        outbox.reached(first);
        assert_eq!([outbox.pop(), outbox.pop(), outbox.pop()], [Some(effect(2)), Some(effect(3)), None]);
        outbox.reached(second);
        assert_eq!([outbox.pop(), outbox.pop()], [Some(effect(4)), None]);
    }
}
