//! The links that are up, at most one to each node, and the nodes that nobody talks to for a while.

use catenary_crypto::PublicKey;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};

/// How long a node is left alone after its first fault; twice as long after each further one.
const PENALTY_MIN: Duration = Duration::from_secs(1);
const PENALTY_MAX: Duration = Duration::from_secs(300);
/// A node that kept to the protocol for so long after a penalty begins anew.
const FORGIVEN_AFTER: Duration = Duration::from_secs(600);
/// Nodes whose faults are remembered.
const FAULTY_MAX: usize = 1_024;

/// The links of one node; cheap to clone.
#[derive(Clone)]
pub(super) struct Registry {
    own: PublicKey,
    state: Arc<Mutex<State>>,
    changes: Arc<watch::Sender<u64>>,
}

#[derive(Default)]
struct State {
    next: u64,
    closed: bool,
    live: BTreeMap<PublicKey, Live>,
    faults: BTreeMap<PublicKey, Faults>,
}

struct Live {
    number: u64,
    /// Whether this node connected.
    dialled: bool,
    _stop: oneshot::Sender<()>,
}

struct Faults {
    count: u32,
    until: Instant,
}

/// A link's place; giving it up lets the next one in.
pub(super) struct Place {
    registry: Registry,
    node: PublicKey,
    number: u64,
    /// Ends when another link takes the place, or the node stops.
    pub(super) stopped: oneshot::Receiver<()>,
}

/// Why there is no place for a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoPlace {
    #[error("this node stops")]
    Stopping,
    #[error("the two nodes have a link")]
    Linked,
    #[error("it broke the protocol and is left alone for {0:?}")]
    Penalty(Duration),
}

impl Registry {
    pub(super) fn new(own: PublicKey) -> Self {
        Self { own, state: Arc::default(), changes: Arc::new(watch::Sender::new(0)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a link to a node. Of two links that both sides made at once the one stays whose dialler has the smaller
    /// key, so that both keep the same; a link from the side that made the last one takes its place, for it was lost there.
    pub(super) fn enter(&self, node: PublicKey, dialled: bool) -> Result<Place, NoPlace> {
        let mut state = self.state();
        if state.closed {
            return Err(NoPlace::Stopping);
        }
        if let Some(Faults { until, .. }) = state.faults.get(&node)
            && let Some(left) = until.checked_duration_since(Instant::now())
        {
            return Err(NoPlace::Penalty(left));
        }
        let preferred = dialled == (self.own < node);
        if state.live.get(&node).is_some_and(|live| live.dialled != dialled) && !preferred {
            return Err(NoPlace::Linked);
        }
        state.next += 1;
        let number = state.next;
        let (stop, stopped) = oneshot::channel();
        state.live.insert(node, Live { number, dialled, _stop: stop });
        drop(state);
        Ok(Place { registry: self.clone(), node, number, stopped })
    }

    pub(super) fn is_linked(&self, node: &PublicKey) -> bool {
        self.state().live.contains_key(node)
    }

    /// Tells when links have come or gone.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// A node broke the protocol.
    pub(super) fn fault(&self, node: PublicKey) {
        let mut state = self.state();
        let now = Instant::now();
        state.faults.retain(|_, faults| now < faults.until + FORGIVEN_AFTER);
        if state.faults.len() >= FAULTY_MAX && !state.faults.contains_key(&node) {
            return;
        }
        let faults = state.faults.entry(node).or_insert(Faults { count: 0, until: now });
        let penalty = PENALTY_MIN.saturating_mul(1 << faults.count.min(16)).min(PENALTY_MAX);
        *faults = Faults { count: faults.count.saturating_add(1), until: now + penalty };
    }

    /// Ends every link and lets no other in.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.live.clear();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.registry.state();
        if state.live.get(&self.node).is_some_and(|live| live.number == self.number) {
            state.live.remove(&self.node);
        }
        drop(state);
        self.registry.changes.send_modify(|changes| *changes += 1);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    const SMALL: PublicKey = PublicKey([1; 32]);
    const LARGE: PublicKey = PublicKey([2; 32]);

    #[test]
    fn both_sides_keep_the_same_of_two_links() {
        // The smaller key dials: in whatever order the two come, its link is the one that stays.
        for order in [[true, false], [false, true]] {
            for (own, node, stays) in [(SMALL, LARGE, true), (LARGE, SMALL, false)] {
                let registry = Registry::new(own);
                let mut places = order.map(|dialled| (dialled, registry.enter(node, dialled).ok()));
                let up = places.iter_mut().filter_map(|(dialled, place)| {
                    let stopped = place.as_mut()?.stopped.try_recv();
                    (stopped == Err(oneshot::error::TryRecvError::Empty)).then_some(*dialled)
                });
                assert_eq!(up.collect::<Vec<_>>(), [stays]);
            }
        }
    }

    #[test]
    fn a_dialler_that_lost_its_link_gets_a_new_one() {
        let registry = Registry::new(LARGE);
        let mut first = registry.enter(SMALL, false).unwrap();
        let mut second = registry.enter(SMALL, false).unwrap();
        assert!(matches!(first.stopped.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
        drop(first);
        assert!(registry.is_linked(&SMALL), "the end of the old one does not end the new one");
        assert!(matches!(second.stopped.try_recv(), Err(oneshot::error::TryRecvError::Empty)));
        drop(second);
        assert!(!registry.is_linked(&SMALL));
    }

    #[tokio::test(start_paused = true)]
    async fn faults_are_answered_by_longer_and_longer_silence() {
        let registry = Registry::new(SMALL);
        for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            registry.fault(LARGE);
            let penalty = Duration::from_secs(seconds);
            assert_eq!(registry.enter(LARGE, true).err(), Some(NoPlace::Penalty(penalty)));
            tokio::time::advance(penalty + Duration::from_millis(1)).await;
            assert!(registry.enter(LARGE, true).is_ok());
        }
        tokio::time::advance(FORGIVEN_AFTER).await;
        registry.fault(LARGE);
        assert_eq!(registry.enter(LARGE, true).err(), Some(NoPlace::Penalty(PENALTY_MIN)));
    }

    #[test]
    fn a_node_that_stops_has_no_links() {
        let registry = Registry::new(SMALL);
        let mut place = registry.enter(LARGE, true).unwrap();
        registry.close();
        assert!(matches!(place.stopped.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
        assert_eq!(registry.enter(LARGE, true).err(), Some(NoPlace::Stopping));
    }
}
