//! Signatures of peers' messages: checked in batches over all chains of the node, before a machine sees them.
//!
//! A batch costs about a third of what its signatures cost alone, and most of a group's processor time is signatures.
//! Under load batches form by themselves: whatever came in while the last one was being checked is the next one.

use crate::chain::Running;
use catenary_consensus::{Claim, Message, Peer, SignatureCache, Voters};
use catenary_crypto::{BatchVerifier, Hash};
use catenary_platform::{Platform, Wait};
use catenary_store::failpoint::{Failpoint, reached};
use catenary_types::{Address, Timestamp};
use crossbeam_channel::{Receiver, Sender, bounded};
use dashmap::DashMap;
use std::{
    io,
    ops::ControlFlow,
    sync::{
        Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

/// Messages that wait for the verifier.
const QUEUE: usize = 8_192;
/// Messages of one batch.
const BATCH: usize = 512;
/// Signatures remembered of one age; two ages are kept.
const REMEMBERED: usize = 32_768;

/// Signatures known to verify, shared by all groups of a node. The oldest are forgotten first.
#[derive(Clone, Default)]
pub(crate) struct SharedCache(Arc<Remembered>);

#[derive(Default)]
struct Remembered {
    ids: DashMap<Hash, u64>,
    age: AtomicU64,
    of_this_age: AtomicUsize,
}

impl SharedCache {
    fn remember(&self, id: Hash) {
        let Remembered { ids, age, of_this_age } = &*self.0;
        let now = age.load(Ordering::Relaxed);
        ids.insert(id, now);
        if of_this_age.fetch_add(1, Ordering::Relaxed) + 1 >= REMEMBERED {
            of_this_age.store(0, Ordering::Relaxed);
            age.store(now + 1, Ordering::Relaxed);
            ids.retain(|_, age| *age >= now);
        }
    }
}

impl SharedCache {
    /// Checks all that is not known to verify in one batch, and remembers what does.
    fn verify(&self, verifier: &mut BatchVerifier, claims: impl Iterator<Item = Claim>) {
        let verified = Claim::verify_all(claims, |id| self.contains(id), verifier);
        verified.into_iter().flatten().for_each(|id| self.remember(id));
    }
}

impl SignatureCache for SharedCache {
    fn contains(&self, id: &Hash) -> bool {
        self.0.ids.contains_key(id)
    }

    fn insert(&mut self, id: Hash) {
        self.remember(id);
    }
}

/// What others need to know of a group: who votes now, and whom it waits for.
#[derive(Clone, Default)]
pub(crate) struct GroupView {
    view: Arc<RwLock<View>>,
    following: Arc<OnceLock<Following>>,
}

/// Why this node's validator takes no part in its group until the chain is started again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Following {
    /// Since when.
    pub(crate) since: Timestamp,
    /// What would have to come.
    pub(crate) reason: String,
}

#[derive(Default)]
struct View {
    voters: Option<Voters>,
    stall: Option<Stall>,
}

/// A height that is not decided in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stall {
    /// When that was first noticed.
    pub(crate) since: Timestamp,
    /// Who was not heard at it.
    pub(crate) absent: Vec<Address>,
}

impl GroupView {
    /// A height begins.
    pub(crate) fn start(&self, voters: Voters) {
        *self.write() = View { voters: Some(voters), stall: None };
    }

    /// A timeout passed at the height.
    pub(crate) fn stall(&self, now: Timestamp, absent: Vec<Address>) {
        let mut view = self.write();
        let since = view.stall.as_ref().map_or(now, |stall| stall.since);
        view.stall = Some(Stall { since, absent });
    }

    /// The validator only follows from here on; the first reason stays.
    pub(crate) fn follow(&self, following: Following) {
        self.following.get_or_init(|| following);
    }

    /// Why the validator only follows, if it does.
    pub(crate) fn following(&self) -> Option<&Following> {
        self.following.get()
    }

    /// Whom the group waits for.
    pub(crate) fn stalled(&self) -> Option<Stall> {
        self.read().stall.clone()
    }

    fn read(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A message on its way to its group.
struct Waiting {
    to: Arc<Running>,
    peer: Peer,
    message: Message,
}

/// The handle of the verifier, which ends with its last handle.
#[derive(Clone)]
pub(crate) struct Verification {
    queue: Sender<Waiting>,
    cache: SharedCache,
}

impl Verification {
    pub(crate) fn start(platform: &Platform) -> io::Result<Self> {
        let (queue, waiting) = bounded(QUEUE);
        let cache = SharedCache::default();
        let mut verifier = Verifier { waiting, cache: cache.clone(), keys: BatchVerifier::default() };
        platform.start("verification", move |wait| verifier.turn(wait))?;
        Ok(Self { queue, cache })
    }

    /// The cache that the verifier fills.
    pub(crate) fn cache(&self) -> SharedCache {
        self.cache.clone()
    }

    /// Checks a message and passes it to its group; false if there is no room for it.
    pub(crate) fn pass(&self, to: Arc<Running>, peer: Peer, message: Message) -> bool {
        self.queue.try_send(Waiting { to, peer, message }).is_ok()
    }
}

struct Verifier {
    waiting: Receiver<Waiting>,
    cache: SharedCache,
    /// Knows the validators' keys.
    keys: BatchVerifier,
}

impl Verifier {
    /// Checks one batch and passes it on.
    fn turn(&mut self, wait: Wait) -> ControlFlow<()> {
        let Some(first) = wait.next(&self.waiting)? else { return ControlFlow::Continue(()) };
        let mut batch = vec![first];
        batch.extend(self.waiting.try_iter().take(BATCH - 1));
        self.verify(&batch);
        for Waiting { to, peer, message } in batch {
            reached(Failpoint::MessageVerified);
            // A full mailbox drops it, and the protocol sends again; whoever does not verify is refused there.
            let _ = to.consensus.message(peer, message);
        }
        ControlFlow::Continue(())
    }

    /// Remembers which signatures of a batch verify.
    fn verify(&mut self, batch: &[Waiting]) {
        let claims = batch.iter().flat_map(|waiting| {
            let view = waiting.to.view.read();
            view.voters.as_ref().map(|voters| voters.claims(&waiting.message)).unwrap_or_default()
        });
        self.cache.verify(&mut self.keys, claims);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use catenary_consensus::signature_id;
    use catenary_crypto::{SigningKey, sha256_parts};

    fn claim(number: u8, signed: &[u8]) -> Claim {
        let key = SigningKey::from_seed(&[number; 32]);
        Claim { key: key.public_key(), bytes: vec![number], signature: key.sign(signed) }
    }

    fn id(claim: &Claim) -> Hash {
        signature_id(&claim.key, &claim.bytes, &claim.signature)
    }

    #[test]
    fn what_verifies_is_remembered_and_nothing_else() {
        let cache = SharedCache::default();
        let (good, forged) = ([1, 3].map(|number| claim(number, &[number])), claim(2, b"something else"));
        let claims = [good[0].clone(), forged.clone(), good[1].clone()];
        cache.verify(&mut BatchVerifier::default(), claims.into_iter());
        assert!(good.iter().all(|claim| cache.contains(&id(claim))));
        assert!(!cache.contains(&id(&forged)));
    }

    #[test]
    fn the_oldest_are_forgotten_first_and_memory_is_bounded() {
        let mut cache = SharedCache::default();
        let id = |number: usize| sha256_parts(&[&number.to_be_bytes()]);
        let many = 4 * REMEMBERED;
        for number in 0..many {
            cache.insert(id(number));
            assert!(cache.0.ids.len() <= 2 * REMEMBERED);
        }
        assert!((many - REMEMBERED..many).all(|number| cache.contains(&id(number))));
        assert!(!cache.contains(&id(0)));
    }
}
