//! Transactions that wait for a block, in order of arrival.

use crate::limits::{GOSSIP_AGAIN_MS, POOL_BYTES_MAX, POOL_TRANSACTIONS_MAX};
use catenary_crypto::{Hash, sha256};
use catenary_types::{
    AccountId, Organisation, RequestId, Timestamp, TxId, UnixSeconds, envelope::Transaction,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A transaction whose signatures verified, and its static weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The transaction.
    pub transaction: Arc<Transaction>,
    /// Known without executing.
    pub weight: u64,
    /// The sender's organisation: when blocks are full, each gets a share.
    pub organisation: Organisation,
}

/// What fits a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) count: usize,
    pub(crate) bytes: u64,
    pub(crate) weight: u64,
    /// Percent of `weight` that one organisation gets while others wait.
    pub(crate) share_percent: u64,
}

impl Room {
    fn fits(&self, waiting: &Waiting) -> bool {
        let bytes = waiting.transaction.bytes.len() as u64;
        self.count > 0 && self.bytes >= bytes && self.weight >= waiting.weight
    }

    fn take(&mut self, waiting: &Waiting) {
        self.count -= 1;
        self.bytes -= waiting.transaction.bytes.len() as u64;
        self.weight -= waiting.weight;
    }
}

/// What became of an insertion.
pub(crate) enum Inserted {
    /// It waits.
    New,
    /// It waited already.
    Known,
    /// The request id waits with another body.
    IdReused,
    /// There is no room.
    Full,
}

struct Place {
    since: Timestamp,
    envelope: Hash,
    waiting: Waiting,
}

/// First in, first out; no id twice.
#[derive(Default)]
pub(crate) struct Pool {
    waiting: BTreeMap<u64, Place>,
    /// Hashes of the envelopes that wait.
    envelopes: BTreeSet<Hash>,
    ids: BTreeMap<(AccountId, RequestId), (TxId, u64)>,
    next: u64,
    bytes: usize,
}

impl Pool {
    pub(crate) fn insert(&mut self, since: Timestamp, waiting: Waiting) -> Inserted {
        let body = &waiting.transaction.body;
        let id = (body.sender, body.request_id);
        if let Some((tx_id, _)) = self.ids.get(&id) {
            return if *tx_id == waiting.transaction.id { Inserted::Known } else { Inserted::IdReused };
        }
        let bytes = waiting.transaction.bytes.len();
        if self.waiting.len() >= POOL_TRANSACTIONS_MAX || self.bytes + bytes > POOL_BYTES_MAX {
            return Inserted::Full;
        }
        self.ids.insert(id, (waiting.transaction.id, self.next));
        self.bytes += bytes;
        let envelope = sha256(&waiting.transaction.bytes);
        self.envelopes.insert(envelope);
        self.waiting.insert(self.next, Place { since, envelope, waiting });
        self.next += 1;
        Inserted::New
    }

    /// Whether the transaction's id waits, with this body or another.
    pub(crate) fn holds(&self, waiting: &Waiting) -> bool {
        let body = &waiting.transaction.body;
        self.ids.contains_key(&(body.sender, body.request_id))
    }

    /// Whether exactly this envelope waits.
    pub(crate) fn holds_envelope(&self, bytes: &[u8]) -> bool {
        self.envelopes.contains(&sha256(bytes))
    }

    /// Transactions for the next block, in order of arrival. If all fit, all; else first those within their
    /// organisation's share, then whoever comes next.
    pub(crate) fn candidates(&self, room: Room) -> Vec<Waiting> {
        let mut left = room;
        let mut chosen = BTreeSet::new();
        let mut used = BTreeMap::<&Organisation, u64>::new();
        let share = room.weight / 100 * room.share_percent;
        for within_share in [true, false] {
            for (place, Place { waiting, .. }) in &self.waiting {
                let used = used.entry(&waiting.organisation).or_default();
                let fits = left.fits(waiting) && (!within_share || *used + waiting.weight <= share);
                if left.count == 0 {
                    break;
                }
                if fits && chosen.insert(*place) {
                    left.take(waiting);
                    *used += waiting.weight;
                }
            }
        }
        chosen.iter().map(|place| self.waiting[place].waiting.clone()).collect()
    }

    /// Since when the first one waits.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        self.waiting.first_key_value().map(|(_, place)| place.since)
    }

    /// Those that have waited so long that the others may never have heard of them, the oldest first.
    pub(crate) fn overdue(&self, now: Timestamp) -> impl Iterator<Item = &Arc<Transaction>> {
        let overdue =
            self.waiting.values().take_while(move |place| place.since.plus_ms(GOSSIP_AGAIN_MS) <= now);
        overdue.map(|place| &place.waiting.transaction)
    }

    /// Whether the waiting transactions fill a block.
    pub(crate) fn fills(&self, room: &Room) -> bool {
        self.waiting.len() >= room.count || self.bytes as u64 >= room.bytes
    }

    /// Forgets a transaction, because it is in a block or never can be.
    pub(crate) fn remove(&mut self, id: &(AccountId, RequestId)) {
        if let Some((_, place)) = self.ids.remove(id)
            && let Some(Place { envelope, waiting, .. }) = self.waiting.remove(&place)
        {
            self.envelopes.remove(&envelope);
            self.bytes -= waiting.transaction.bytes.len();
        }
    }

    /// Forgets what no later block can take because its time is over.
    pub(crate) fn expire(&mut self, now: UnixSeconds) {
        self.forget(|waiting| waiting.transaction.body.valid_until < now);
    }

    /// Forgets what fits no block, not even an empty one.
    pub(crate) fn shrink(&mut self, room: &Room) {
        self.forget(|waiting| !room.fits(waiting));
    }

    fn forget(&mut self, is_hopeless: impl Fn(&Waiting) -> bool) {
        let hopeless =
            self.waiting.values().map(|place| &place.waiting).filter(|waiting| is_hopeless(waiting));
        let ids: Vec<_> =
            hopeless.map(|w| (w.transaction.body.sender, w.transaction.body.request_id)).collect();
        ids.iter().for_each(|id| self.remove(id));
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn check_invariants(&self) {
        let bytes: usize = self.waiting.values().map(|place| place.waiting.transaction.bytes.len()).sum();
        assert_eq!(self.bytes, bytes, "bytes are counted");
        let places: BTreeSet<_> = self.ids.values().map(|(_, place)| *place).collect();
        assert!(places.iter().eq(self.waiting.keys()), "every waiting transaction has one id");
        assert_eq!(self.envelopes.len(), self.waiting.len(), "every waiting transaction has one envelope");
    }
}
