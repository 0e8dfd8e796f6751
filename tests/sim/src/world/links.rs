//! Messages on their way between nodes.

use super::{Event, World};
use crate::{faults::happens, network::corrupt, setup::validator_seed};
use catenary_consensus::{Message, Peer, ValueId};
use catenary_crypto::{SigningKey, sha256};
use catenary_replica::{PeerMessage, Recipients};
use catenary_types::Address;
use rand::Rng;

impl World {
    pub(super) fn send(&mut self, from: usize, chain: usize, to: Recipients, message: &PeerMessage) {
        self.witness.sent(chain, message);
        let receivers: Vec<_> = match to {
            Recipients::All => self.others(from).collect(),
            Recipients::One(peer) => vec![peer.0 as usize],
        };
        for receiver in receivers {
            self.report.messages += 1;
            if self.blocked.contains(&(from, receiver)) || happens(&mut self.rng, self.faults.lost) {
                self.report.count("message lost");
                continue;
            }
            let copies = if happens(&mut self.rng, self.faults.doubled) { 2 } else { 1 };
            self.report.count_many("message doubled", copies - 1);
            for _ in 0..copies {
                let mut message = Box::new(message.clone());
                if from == self.liar && happens(&mut self.rng, self.faults.corrupted) {
                    self.report.count("message corrupted");
                    corrupt(&mut message, &mut self.rng);
                } else if from == self.liar && happens(&mut self.rng, self.faults.contradicted) {
                    self.contradict(chain, &mut message);
                }
                let mut ms = self.rng.random_range(0..=self.faults.delay_ms);
                if happens(&mut self.rng, self.faults.late) {
                    self.report.count("message late");
                    ms += 1_000;
                }
                self.after(ms, Event::Deliver { from, to: receiver, chain, message });
            }
        }
    }

    /// Makes a vote of the liar one for something else, well signed.
    fn contradict(&mut self, chain: usize, message: &mut PeerMessage) {
        let PeerMessage::Consensus(Message::Vote(signed)) = message else { return };
        let Some(running) = &self.nodes[self.liar].running else { return };
        let key = SigningKey::from_seed(&validator_seed(chain, self.liar));
        let last_time = running.chains[chain].worker().tip().time;
        if signed.vote.validator != Address::of(&key.public_key()) {
            return;
        }
        let other = ValueId { block: sha256(b"another block"), time: last_time.plus_ms(1) };
        signed.vote.value = if signed.vote.value.is_some() { None } else { Some(other) };
        signed.signature = key.sign(&signed.vote.sign_bytes(&self.setup.chains[chain], last_time));
        self.report.count("vote contradicted");
    }

    pub(super) fn deliver(&mut self, from: usize, to: usize, chain: usize, message: PeerMessage) {
        // Links end with a node's life, and so does what is on them.
        if self.nodes[from].running.is_some() {
            self.step(to, chain, |running, now, out| {
                running.message(now, Peer(from as u64), message, out);
            });
        }
    }
}
