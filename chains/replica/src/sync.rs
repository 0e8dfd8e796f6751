//! Catching up: who is ahead, what to ask them for, what they sent.
//!
//! A claim of a peer costs it one request and proves nothing. Fetched blocks wait here until consensus has verified
//! their certificates, one height after the other; only then is a body judged.
//!
//! ```text
//!   tip of a peer ─► behind? ─► a moment passes without a block ─► Fetch ─► Blocks ─► certificate to consensus ─► …
//!                                                                   └── no answer, or a bad one ─► the next peer
//! ```

use crate::limits::{FETCH_FAR_BEHIND, FETCH_GRACE_MS, FETCH_TIMEOUT_MS, FETCHED_BLOCKS_MAX};
use catenary_consensus::Peer;
use catenary_types::{Block, Certificate, Height, Timestamp};
use std::{collections::BTreeMap, sync::Arc};

/// A final block as a peer sends it.
#[derive(Clone, Debug)]
pub struct FetchedBlock {
    /// The block.
    pub block: Arc<Block>,
    /// What makes it final.
    pub certificate: Certificate,
}

/// A request that is out.
#[derive(Clone, Copy, Debug)]
struct Request {
    peer: Peer,
    deadline: Timestamp,
}

/// What is known of the others, and what was fetched.
#[derive(Debug, Default)]
pub(crate) struct Sync {
    /// The height that each connected peer claims, of those that claimed one.
    claims: BTreeMap<Peer, Height>,
    request: Option<Request>,
    /// Who was asked last: the next request goes to the one after.
    asked: Option<Peer>,
    blocks: BTreeMap<Height, (Peer, FetchedBlock)>,
    /// When this node last moved on, or first heard that it is behind.
    moved: Timestamp,
    /// After an answer that was of no use nobody is asked before this time.
    pause_until: Timestamp,
    /// The height whose certificate consensus has, and since when.
    fed: Option<(Height, Timestamp)>,
}

impl Sync {
    /// A peer says how far it is. What it once claimed stands until it leaves.
    pub(crate) fn claim(&mut self, now: Timestamp, peer: Peer, height: Height, reached: Height) {
        let was_behind = self.newest_claim() > reached;
        let claim = self.claims.entry(peer).or_default();
        *claim = height.max(*claim);
        if !was_behind && height > reached {
            self.moved = now;
        }
    }

    /// Who claims what.
    pub(crate) fn claims(&self) -> impl Iterator<Item = (Peer, Height)> {
        self.claims.iter().map(|(peer, height)| (*peer, *height))
    }

    /// A peer is gone.
    pub(crate) fn leave(&mut self, peer: Peer) {
        self.claims.remove(&peer);
        self.request.take_if(|request| request.peer == peer);
    }

    /// A block became final.
    pub(crate) fn advance(&mut self, now: Timestamp, tip: Height) {
        self.moved = now;
        self.fed = None;
        self.blocks = self.blocks.split_off(&tip.next());
    }

    /// Whom to ask now, if anybody: from the first height that is missing above `reached`.
    pub(crate) fn ask(&mut self, now: Timestamp, reached: Height) -> Option<(Peer, Height)> {
        self.request.take_if(|request| request.deadline <= now);
        let first = self.first_missing(reached);
        if self.request.is_some() || self.due(reached)? > now {
            return None;
        }
        let mut ahead = self.claims.iter().filter(|(_, claim)| **claim >= first).map(|(peer, _)| *peer);
        let after = ahead.clone().find(|peer| Some(*peer) > self.asked);
        let peer = after.or_else(|| ahead.next())?;
        self.asked = Some(peer);
        self.request = Some(Request { peer, deadline: now.plus_ms(FETCH_TIMEOUT_MS) });
        Some((peer, first))
    }

    /// When to call [`Self::ask`] or [`Self::feed`] again.
    pub(crate) fn deadline(&self, reached: Height) -> Option<Timestamp> {
        let asks = self.due(reached).map(|due| self.request.map_or(due, |request| request.deadline));
        let feeds = self.fed.map(|(_, at)| at.plus_ms(FETCH_TIMEOUT_MS));
        let waits = self.blocks.contains_key(&reached.next());
        asks.into_iter().chain(feeds.filter(|_| waits)).min()
    }

    /// When a missing block is worth a request: at once if this node is far behind, else after a moment, since the group
    /// may be about to decide it here as well.
    fn due(&self, reached: Height) -> Option<Timestamp> {
        let (first, newest) = (self.first_missing(reached), self.newest_claim());
        if newest < first || self.blocks.len() >= FETCHED_BLOCKS_MAX {
            return None;
        }
        let far = newest.0 - reached.0 >= FETCH_FAR_BEHIND;
        let due = if far { self.moved } else { self.moved.plus_ms(FETCH_GRACE_MS) };
        Some(due.max(self.pause_until))
    }

    fn first_missing(&self, reached: Height) -> Height {
        self.blocks
            .keys()
            .fold(reached.next(), |next, height| if *height == next { next.next() } else { next })
    }

    fn newest_claim(&self) -> Height {
        self.claims.values().copied().max().unwrap_or_default()
    }

    /// Takes an answer. Blocks that nobody asked this peer for, or that their certificate does not name, are dropped.
    pub(crate) fn receive(&mut self, now: Timestamp, peer: Peer, reached: Height, blocks: Vec<FetchedBlock>) {
        if self.request.take_if(|request| request.peer == peer).is_none() {
            return;
        }
        let mut next = self.first_missing(reached);
        let before = next;
        for fetched in blocks {
            let (header, certificate) = (&fetched.block.header, &fetched.certificate);
            let named = certificate.height == header.height && certificate.block == header.hash();
            if !named || header.height != next || self.blocks.len() >= FETCHED_BLOCKS_MAX {
                break;
            }
            self.blocks.insert(next, (peer, fetched));
            next = next.next();
        }
        if next == before {
            // It has nothing yet, or talks nonsense: a moment's pause, then the next one.
            self.pause_until = now.plus_ms(FETCH_GRACE_MS);
        }
    }

    /// The certificate to give to consensus at this height: once, and again if nothing comes of it.
    pub(crate) fn feed(&mut self, now: Timestamp, height: Height) -> Option<(Peer, FetchedBlock)> {
        if self.fed.is_some_and(|(fed, at)| fed == height && now < at.plus_ms(FETCH_TIMEOUT_MS)) {
            return None;
        }
        let found = self.blocks.get(&height).cloned()?;
        self.fed = Some((height, now));
        Some(found)
    }

    /// A fetched block of this height, if it is there.
    pub(crate) fn block(&self, height: Height) -> Option<Arc<Block>> {
        self.blocks.get(&height).map(|(_, fetched)| fetched.block.clone())
    }

    /// A peer's certificate did not verify: nothing it sent counts, and its claim is forgotten until the next.
    pub(crate) fn refuse(&mut self, peer: Peer) {
        self.blocks.retain(|_, (sender, _)| *sender != peer);
        self.claims.remove(&peer);
        self.fed = None;
    }

    /// A fetched block is not what its header says: whoever sent it is not asked again before its next claim.
    pub(crate) fn spoiled(&mut self, block: &Arc<Block>) {
        let fetched = self.blocks.get(&block.header.height);
        let sender = fetched.filter(|(_, fetched)| Arc::ptr_eq(&fetched.block, block)).map(|(peer, _)| *peer);
        if let Some(peer) = sender {
            self.refuse(peer);
        }
    }

    pub(crate) fn check_invariants(&self, tip: Height) {
        assert!(self.blocks.len() <= FETCHED_BLOCKS_MAX, "too many fetched blocks wait");
        assert!(self.blocks.keys().all(|height| *height > tip), "a fetched block outlived its height");
    }
}
