//! Messages on their way between nodes.

use super::{Event, World};
use crate::{
    faults::happens,
    lies::{Liar, corrupt},
};
use catenary_consensus::Message;
use catenary_failpoint::Failpoint;
use catenary_replica::{PeerMessage, Recipients};
use catenary_types::Address;
use rand::Rng;

/// Messages of each chain that may be said again.
const SAID_MAX: usize = 256;
/// How late a message comes that is held back: later than a proposal may be.
const HELD_BACK_MS: u64 = 5_000;

impl World {
    pub(super) fn send(&mut self, from: usize, chain: usize, to: Recipients, message: &PeerMessage) {
        if !self.is_liar(from) {
            self.witness.sent(chain, message);
        }
        self.remember(chain, message);
        let receivers = self.others(from).into_iter();
        let receivers: Vec<_> = match to {
            Recipients::All => receivers.collect(),
            Recipients::One(peer) => receivers.filter(|other| self.peer(*other) == peer).collect(),
        };
        for receiver in receivers {
            if self.reach(from, Failpoint::FrameSent) {
                return;
            }
            self.report.messages += 1;
            if self.blocked.contains(&(from, receiver)) || happens(&mut self.rng, self.faults.lost) {
                self.report.count("message lost");
                continue;
            }
            let copies = if happens(&mut self.rng, self.faults.doubled) { 2 } else { 1 };
            self.report.count_many("message doubled", copies - 1);
            for _ in 0..copies {
                let mut message = Box::new(message.clone());
                let mut ms = self.rng.random_range(0..=self.faults.delay_ms);
                if happens(&mut self.rng, self.faults.late) {
                    self.report.count("message late");
                    ms += 1_000;
                }
                if self.is_liar(from) {
                    match self.lie(from, chain, &mut message) {
                        Some(later_ms) => ms += later_ms,
                        None => continue,
                    }
                }
                self.after(ms, Event::Deliver { from, to: receiver, chain, message });
            }
        }
    }

    fn remember(&mut self, chain: usize, message: &PeerMessage) {
        if self.lies.replayed > 0 {
            let said = &mut self.said[chain];
            if said.len() >= SAID_MAX {
                said.pop_front();
            }
            said.push_back(message.clone());
        }
    }

    /// Changes a liar's message. Gives how much later it comes; none if it is withheld.
    fn lie(&mut self, from: usize, chain: usize, message: &mut PeerMessage) -> Option<u64> {
        let Some(running) = &self.nodes[from].running else { return Some(0) };
        let last_time = running.chains[chain].worker().tip().time;
        let key = self.key(chain, from);
        let (lies, rng) = (self.lies, &mut self.rng);
        let liar = Liar { key: &key, chain_id: &self.setup.chains[chain], last_time };
        if happens(rng, lies.withheld) {
            self.report.count("lie: message withheld");
            return None;
        }
        if happens(rng, lies.held_back) {
            self.report.count("lie: message held back");
            return Some(HELD_BACK_MS);
        }
        let told = if happens(rng, lies.corrupted) {
            corrupt(message, rng);
            Some("lie: message corrupted")
        } else if happens(rng, lies.contradicted) {
            liar.contradict(message).then_some("lie: message contradicted")
        } else if happens(rng, lies.shifted) {
            liar.shift(message, rng).then_some("lie: message for another step")
        } else if happens(rng, lies.forged) || lies.forged > 0 && matches!(message, PeerMessage::Blocks(_)) {
            liar.forge(message).then_some("lie: message made up")
        } else if happens(rng, lies.replayed) && !self.said[chain].is_empty() {
            let at = rng.random_range(0..self.said[chain].len());
            *message = self.said[chain][at].clone();
            Some("lie: message said again")
        } else {
            None
        };
        told.into_iter().for_each(|told| self.report.count(told));
        Some(0)
    }

    pub(super) fn deliver(&mut self, from: usize, to: usize, chain: usize, message: PeerMessage) {
        // Links end with a node's life, and so does what is on them.
        if self.nodes[from].running.is_none() || self.reach(to, Failpoint::FrameReceived) {
            return;
        }
        if self.is_liar(to) && self.lies.twins && self.is_own(to, chain, &message) {
            // An honest node that is shown its twin's votes stops voting. This one does not care.
            return;
        }
        let peer = self.peer(from);
        self.step(to, chain, |running, now, out| running.message(now, peer, message, out));
    }

    /// Whether a node's own validator signed something in a message.
    fn is_own(&self, node: usize, chain: usize, message: &PeerMessage) -> bool {
        let PeerMessage::Consensus(message) = message else { return false };
        let own = Address::of(&self.key(chain, node).public_key());
        let proposed = matches!(message, Message::Proposal(signed) if signed.proposal.proposer == own);
        proposed || message.votes().iter().any(|signed| signed.vote.validator == own)
    }
}
