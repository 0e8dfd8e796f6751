//! Where the other members are, and what time it is there.

use catenary_consensus::{Peer, raft::Clock};
use catenary_types::Address;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Which link leads to a member: the one over which it spoke last. Shared with the engine, which sends.
#[derive(Clone, Default)]
pub(super) struct Directory(Arc<Mutex<BTreeMap<Address, Peer>>>);

impl Directory {
    /// A member spoke over a link.
    pub(super) fn hear(&self, member: Address, peer: Peer) {
        self.lock().insert(member, peer);
    }

    pub(super) fn peer(&self, member: &Address) -> Option<Peer> {
        self.lock().get(member).copied()
    }

    /// Everybody who has spoken.
    pub(super) fn members(&self) -> Vec<Address> {
        self.lock().keys().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Address, Peer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The clocks of other members, each as it was told last.
#[derive(Debug, Default)]
pub(super) struct Clocks(BTreeMap<Address, Clock>);

impl Clocks {
    pub(super) fn note(&mut self, member: Address, clock: Clock) {
        self.0.insert(member, clock);
    }

    /// Whether this node's clock is further off than this from most of `members`.
    pub(super) fn is_off(&self, members: &[Address], precision_ms: u64) -> bool {
        let off = members
            .iter()
            .filter(|member| self.0.get(member).is_some_and(|clock| clock.is_off(precision_ms)));
        2 * off.count() > members.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use catenary_types::Timestamp;

    #[test]
    fn a_clock_is_off_if_most_members_say_so() {
        let members = [1, 2, 3, 4].map(|number| Address([number; 20]));
        let far = Clock::measured(Timestamp(0), Timestamp(2_000_000_000), Timestamp(0));
        let mut clocks = Clocks::default();
        clocks.note(members[1], far);
        clocks.note(members[2], far);
        assert!(!clocks.is_off(&members, 500), "two and two: it may be theirs that are wrong");
        clocks.note(members[3], far);
        assert!(clocks.is_off(&members, 500));
        assert!(!clocks.is_off(&members, 2_000));
        clocks.note(members[3], Clock::measured(Timestamp(0), Timestamp(1), Timestamp(2)));
        assert!(!clocks.is_off(&members, 500), "what was told last counts");
    }
}
