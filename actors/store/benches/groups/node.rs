//! One node: a validator of every group, its cache, its batches and its journal.

use crate::group::{Event, Group, Packet};
use crate::storage::Storage;
use crate::{Envelope, NODES};
use catenary_consensus::{Claim, SignatureCache};
use catenary_crypto::{BatchVerifier, Hash};
use catenary_types::{Height, Timestamp};
use crossbeam_channel::Sender;
use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Events of one batch.
const BATCH: usize = 512;
/// Signatures remembered of one age; two ages are kept.
const REMEMBERED: usize = 32_768;
/// How often timers are looked at.
const TICK: Duration = Duration::from_millis(50);

/// Signatures known to verify, shared by all groups of a node.
#[derive(Clone, Default)]
pub(crate) struct SharedCache(Arc<Mutex<[HashSet<Hash>; 2]>>);

impl SharedCache {
    fn ages(&self) -> MutexGuard<'_, [HashSet<Hash>; 2]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SignatureCache for SharedCache {
    fn contains(&self, id: &Hash) -> bool {
        self.ages().iter().any(|age| age.contains(id))
    }

    fn insert(&mut self, id: Hash) {
        let mut ages = self.ages();
        if ages[0].len() >= REMEMBERED {
            ages.swap(0, 1);
            ages[0].clear();
        }
        ages[0].insert(id);
    }
}

/// What a node has done.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) decided: AtomicU64,
    pub(crate) messages: AtomicU64,
    pub(crate) timeouts: AtomicU64,
}

impl Counts {
    pub(crate) fn decided(&self) {
        self.decided.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn fired(&self) {
        self.timeouts.fetch_add(1, Ordering::Relaxed);
    }
}

/// Where each node is reached.
pub(crate) struct Peers(Vec<Sender<Envelope>>);

impl Peers {
    pub(crate) fn new(senders: Vec<Sender<Envelope>>) -> Self {
        Self(senders)
    }
}

/// What a group sees of its node.
pub(crate) struct Around<'a> {
    pub(crate) node: usize,
    pub(crate) now: Timestamp,
    pub(crate) storage: &'a mut Storage,
    pub(crate) cache: &'a SharedCache,
    pub(crate) counts: &'a Counts,
    /// Where completions for this node go.
    pub(crate) own: &'a Sender<Envelope>,
    peers: &'a Peers,
}

impl Around<'_> {
    pub(crate) fn send(&self, to: usize, group: usize, packet: Packet) {
        self.counts.messages.fetch_add(1, Ordering::Relaxed);
        // Another host that has ended needs no messages any more.
        let _ = self.peers.0[to].send((to, Event::Packet { group, from: self.node, packet }));
    }

    pub(crate) fn broadcast(&self, group: usize, packet: &Packet) {
        for to in (0..self.peers.0.len()).filter(|to| *to != self.node) {
            self.send(to, group, packet.clone());
        }
    }
}

pub(crate) struct Node {
    pub(crate) number: usize,
    pub(crate) counts: Arc<Counts>,
    pub(crate) storage: Storage,
    groups: Vec<Group>,
    cache: SharedCache,
    verifier: BatchVerifier,
    peers: Peers,
    posted: VecDeque<Event>,
    now: Timestamp,
    next_tick: Instant,
}

impl Node {
    pub(crate) fn new(
        number: usize,
        groups: usize,
        genesis_time: Timestamp,
        storage: Storage,
        peers: Peers,
    ) -> Self {
        Self {
            number,
            counts: Arc::default(),
            storage,
            groups: (0..groups).map(|group| Group::new(group, number, NODES, genesis_time)).collect(),
            cache: SharedCache::default(),
            verifier: BatchVerifier::default(),
            peers,
            posted: VecDeque::new(),
            now: genesis_time,
            next_tick: Instant::now(),
        }
    }

    pub(crate) fn start(&mut self) {
        (0..self.groups.len()).for_each(|group| self.with(group, Group::start));
    }

    /// Takes in what is dealt with at the next turn.
    pub(crate) fn post(&mut self, event: Event) {
        self.posted.push_back(event);
    }

    /// How long nothing needs to be done unless something comes in.
    pub(crate) fn patience(&self) -> Duration {
        self.next_tick.saturating_duration_since(Instant::now())
    }

    /// Deals with all that was posted, batch by batch.
    pub(crate) fn turn(&mut self) {
        while !self.posted.is_empty() {
            let batch: Vec<_> = self.posted.drain(..self.posted.len().min(BATCH)).collect();
            self.verify(&batch);
            for event in batch {
                match event {
                    Event::Packet { group, from, packet } => {
                        self.with(group, |group, around| group.receive(from, packet, around));
                    }
                    Event::Durable { group, number } => {
                        self.with(group, |group, around| group.durable(number, around));
                    }
                }
            }
        }
        if self.patience().is_zero() {
            (0..self.groups.len()).for_each(|group| self.with(group, Group::fire));
            self.next_tick = Instant::now() + TICK;
        }
    }

    fn with(&mut self, group: usize, act: impl FnOnce(&mut Group, &mut Around<'_>)) {
        self.now = self.now.max(clock());
        let mut around = Around {
            node: self.number,
            now: self.now,
            storage: &mut self.storage,
            cache: &self.cache,
            counts: &self.counts,
            own: &self.peers.0[self.number],
            peers: &self.peers,
        };
        act(&mut self.groups[group], &mut around);
    }

    /// Remembers which signatures of a batch verify.
    fn verify(&mut self, batch: &[Event]) {
        let claims = batch.iter().flat_map(|event| match event {
            Event::Packet { group, packet: Packet::Consensus(message), .. } => {
                self.groups[*group].voters.claims(message)
            }
            Event::Packet { .. } | Event::Durable { .. } => Vec::new(),
        });
        let cache = &self.cache;
        let verified = Claim::verify_all(claims, |id| cache.contains(id), &mut self.verifier);
        for id in verified {
            self.cache.insert(id.expect("everyone is honest"));
        }
    }
}

pub(crate) fn clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    Timestamp(since.as_nanos() as u64)
}

/// Asserts that no two nodes decided two blocks for one height, and that they were close together.
pub(crate) fn check(nodes: &[Node]) {
    let Some((first, others)) = nodes.split_first() else { return };
    for other in others {
        for (one, another) in first.groups.iter().zip(&other.groups) {
            let common = Height(one.height().0.min(another.height().0) - 1);
            let blocks = [one, another].map(|group| group.block(common));
            assert!(blocks[0].is_some(), "a node fell far behind at {common}");
            assert_eq!(blocks[0], blocks[1], "the group split at {common}");
        }
    }
}
