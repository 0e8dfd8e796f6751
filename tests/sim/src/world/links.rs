//! Messages on their way between nodes.

use super::{Event, World};
use crate::{faults::happens, network::corrupt};
use catenary_consensus::Peer;
use catenary_replica::{PeerMessage, Recipients};
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

    pub(super) fn deliver(&mut self, from: usize, to: usize, chain: usize, message: PeerMessage) {
        // Links end with a node's life, and so does what is on them.
        if self.nodes[from].running.is_some() {
            self.step(to, chain, |running, now, out| {
                running.message(now, Peer(from as u64), message, out);
            });
        }
    }
}
