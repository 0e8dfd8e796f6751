//! The links of a node: the handle through which chains send.

use super::actor::{PeerLinkActor, PeerLinkMessage};
use actix::Addr;
use catenary_consensus::Peer;
use catenary_links::Frame;
use catenary_replica::{PeerMessage, Recipients};
use catenary_types::ChainId;
use std::{
    collections::BTreeMap,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// What the links of a node carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// Frames given to wires.
    pub sent: u64,
    /// Frames dropped because a queue was full.
    pub dropped: u64,
}

/// One of the links that a node has had, to whichever peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LinkNumber(pub(crate) u64);

/// The connected peers of a node, shared by its actors.
#[derive(Default)]
pub(crate) struct PeerLinks {
    /// The newest link of each.
    links: RwLock<BTreeMap<Peer, (LinkNumber, Addr<PeerLinkActor>)>>,
    pub(super) counters: Counters,
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) sent: AtomicU64,
    pub(super) dropped: AtomicU64,
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl PeerLinks {
    pub(crate) fn insert(&self, peer: Peer, number: LinkNumber, link: Addr<PeerLinkActor>) {
        self.links.write().unwrap_or_else(PoisonError::into_inner).insert(peer, (number, link));
    }

    /// Forgets a link that is down; false if another one has taken its place.
    pub(crate) fn remove(&self, peer: Peer, number: LinkNumber) -> bool {
        let mut links = self.links.write().unwrap_or_else(PoisonError::into_inner);
        let is_newest = links.get(&peer).is_some_and(|(newest, _)| *newest == number);
        if is_newest {
            links.remove(&peer);
        }
        is_newest
    }

    pub(crate) fn clear(&self) {
        self.links.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(crate) fn peers(&self) -> Vec<Peer> {
        self.links.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// Sends a message of a chain. What a link has no room for is dropped and counted.
    pub(crate) fn send(&self, chain: &ChainId, to: Recipients, message: &PeerMessage) {
        let links = self.links.read().unwrap_or_else(PoisonError::into_inner);
        let addressed = links.iter().filter(|(peer, _)| match to {
            Recipients::All => true,
            Recipients::One(one) => **peer == one,
        });
        for (_, (_, link)) in addressed {
            let frame = Frame { chain: chain.clone(), message: message.clone() };
            if link.try_send(PeerLinkMessage::Send(frame)).is_err() {
                Counters::add(&self.counters.dropped);
            }
        }
    }

    pub(crate) fn stats(&self) -> LinkStats {
        let Counters { sent, dropped } = &self.counters;
        let [sent, dropped] = [sent, dropped].map(|counter| counter.load(Ordering::Relaxed));
        LinkStats { sent, dropped }
    }
}
