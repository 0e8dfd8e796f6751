//! The other nodes of the chain: what they are told, and what they sent too early.

use crate::{
    limits::{
        EARLY_BODIES_PER_PEER_MAX, GOSSIP_AGAIN_MS, GOSSIP_BYTES_MAX, GOSSIP_ENVELOPES_MAX, TIP_INTERVAL_MS,
    },
    peer::{PeerMessage, PeerTip},
    pool::Pool,
    replica::Replica,
    tip::Tip,
};
use catenary_consensus::{HEIGHTS_AHEAD_MAX, Peer};
use catenary_mutant::{Mutant, is_active};
use catenary_types::{Block, Height, Timestamp, envelope::Transaction};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

/// The connected peers.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    connected: BTreeSet<Peer>,
    /// Bodies of heights that are not reached yet.
    early: BTreeMap<Peer, VecDeque<Arc<Block>>>,
    /// Transactions admitted here that the others do not know yet.
    untold: Vec<Arc<Transaction>>,
    /// When the tip was told last; none if it changed since, or somebody came who does not know it.
    told_tip: Option<Timestamp>,
    /// When transactions that wait were told again last.
    told_again: Timestamp,
}

impl Peers {
    pub(crate) fn connected(&self) -> Vec<Peer> {
        self.connected.iter().copied().collect()
    }

    pub(crate) fn any(&self) -> bool {
        !self.connected.is_empty()
    }

    /// A transaction was admitted here.
    pub(crate) fn tell(&mut self, transaction: Arc<Transaction>) {
        if self.any() {
            self.untold.push(transaction);
        }
    }

    /// A block became final.
    pub(crate) fn advanced(&mut self) {
        self.told_tip = None;
    }

    /// When to call [`Self::due`].
    pub(crate) fn deadline(&self, pool: &Pool) -> Option<Timestamp> {
        let tip = self.told_tip.map_or(Timestamp(0), |told| told.plus_ms(TIP_INTERVAL_MS));
        let deadline = self.tell_again(pool).map_or(tip, |again| again.min(tip));
        self.any().then_some(deadline)
    }

    /// When the transactions that have waited longest are told again. Blocks do not put it off: they may leave out what
    /// their leaders never heard of.
    fn tell_again(&self, pool: &Pool) -> Option<Timestamp> {
        let oldest = pool.oldest().filter(|_| !is_active(Mutant::NeverToldAgain));
        oldest.map(|oldest| oldest.max(self.told_again).plus_ms(GOSSIP_AGAIN_MS))
    }

    /// Whether they are told again now.
    pub(crate) fn tells_again(&self, now: Timestamp, pool: &Pool) -> bool {
        self.any() && self.tell_again(pool).is_some_and(|again| again <= now)
    }

    /// What all peers are to be told now.
    pub(crate) fn due(&mut self, now: Timestamp, tip: &Tip, pool: &Pool) -> Vec<PeerMessage> {
        let mut messages = Vec::new();
        if !self.any() {
            return messages;
        }
        if self.told_tip.is_none_or(|told| told.plus_ms(TIP_INTERVAL_MS) <= now) {
            self.told_tip = Some(now);
            messages.push(PeerMessage::Tip(PeerTip { height: tip.height, app_hash: tip.app_hash }));
        }
        let mut batch = Batch::default();
        for transaction in std::mem::take(&mut self.untold) {
            messages.extend(batch.add(&transaction.bytes));
        }
        if self.tells_again(now, pool) {
            self.told_again = now;
            for transaction in pool.overdue(now).take(GOSSIP_ENVELOPES_MAX) {
                messages.extend(batch.add(&transaction.bytes));
            }
        }
        messages.extend(batch.take());
        messages
    }

    /// Keeps a body that came before its height; a peer that sends too many loses its oldest.
    pub(crate) fn keep_early(&mut self, peer: Peer, next: Height, block: Arc<Block>) {
        let ahead = block.header.height.0.saturating_sub(next.0);
        if ahead > HEIGHTS_AHEAD_MAX || !self.connected.contains(&peer) {
            return;
        }
        let kept = self.early.entry(peer).or_default();
        if kept.len() >= EARLY_BODIES_PER_PEER_MAX {
            kept.pop_front();
        }
        kept.push_back(block);
    }

    /// The bodies of a height that is reached now; those of earlier ones are forgotten.
    pub(crate) fn take_early(&mut self, height: Height) -> Vec<Arc<Block>> {
        let mut taken = Vec::new();
        for kept in self.early.values_mut() {
            taken.extend(kept.iter().filter(|block| block.header.height == height).cloned());
            kept.retain(|block| block.header.height > height);
        }
        self.early.retain(|_, kept| !kept.is_empty());
        taken
    }
}

/// Envelopes for gossip messages, each within its bounds.
#[derive(Default)]
struct Batch {
    envelopes: Vec<Vec<u8>>,
    bytes: usize,
}

impl Batch {
    /// Adds an envelope; a message that is full comes out.
    fn add(&mut self, envelope: &[u8]) -> Option<PeerMessage> {
        let full =
            self.envelopes.len() >= GOSSIP_ENVELOPES_MAX || self.bytes + envelope.len() > GOSSIP_BYTES_MAX;
        let message = if full { self.take() } else { None };
        self.bytes += envelope.len();
        self.envelopes.push(envelope.to_vec());
        message
    }

    fn take(&mut self) -> Option<PeerMessage> {
        self.bytes = 0;
        let envelopes = std::mem::take(&mut self.envelopes);
        (!envelopes.is_empty()).then_some(PeerMessage::Transactions(envelopes))
    }
}

impl Replica {
    /// A link to a peer is up: both sides say how far they are, and what they know of the next height.
    pub(crate) fn connected(&mut self, peer: Peer) {
        self.peers.connected.insert(peer);
        self.peers.told_tip = None;
        if self.is_started() {
            self.greet(peer);
        }
    }

    pub(crate) fn disconnected(&mut self, peer: Peer) {
        self.peers.connected.remove(&peer);
        self.peers.early.remove(&peer);
        self.sync.leave(peer);
        self.snapshot.leave(peer);
        self.roots.leave(peer);
    }

    /// A peer is at work on a later height, so it has the one before.
    pub(crate) fn ahead(&mut self, peer: Peer, height: Height) {
        if let Some(before) = height.previous() {
            self.sync.claim(self.now, peer, before, self.reached());
        }
    }

    pub(crate) fn receive(&mut self, peer: Peer, message: PeerMessage) {
        if !self.peers.connected.contains(&peer) {
            return;
        }
        match message {
            PeerMessage::Body(block) => self.receive_body(peer, block),
            PeerMessage::Transactions(envelopes) => self.receive_transactions(envelopes),
            PeerMessage::Tip(tip) => {
                self.recollection.hear(peer, tip.height);
                self.roots.hear(peer, tip);
                self.sync.claim(self.now, peer, tip.height, self.reached());
                self.compare_roots();
            }
            PeerMessage::Fetch(from) => self.serve(peer, from),
            PeerMessage::Blocks(blocks) => self.sync.receive(self.now, peer, self.reached(), blocks),
            PeerMessage::FetchSnapshot(part) => self.serve_snapshot(peer, part),
            PeerMessage::Manifest(manifest) => self.receive_manifest(peer, manifest),
            PeerMessage::Chunk { height, index, bytes } => self.receive_chunk(peer, (height, index), bytes),
            // The shell hands these to consensus.
            PeerMessage::Consensus(_) | PeerMessage::Raft(_) => {}
        }
    }
}
