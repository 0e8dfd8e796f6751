//! Messages of heights that have not started yet: kept unverified, bounded per peer.
//!
//! Others may be a block ahead, or this node may be asleep. One peer can fill its own share and no other's.

use crate::message::Message;
use catenary_types::{Height, Timestamp};
use std::collections::BTreeMap;

/// A directly connected node, numbered by the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer(pub u64);

/// Messages kept per peer.
pub const PER_PEER_MAX: usize = 128;

/// Heights ahead of the current one for which messages are kept; further ahead, only sync helps.
pub const HEIGHTS_AHEAD_MAX: u64 = 4;

/// A message with the time it came in.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) arrival: Timestamp,
    pub(crate) peer: Peer,
    pub(crate) message: Message,
}

/// All that waits, in order of arrival per peer.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    by_peer: BTreeMap<Peer, Vec<(u64, Waiting)>>,
    next_number: u64,
}

impl Pending {
    /// Keeps a message unless its peer has used up its share or it repeats the peer's last one.
    pub(crate) fn push(&mut self, waiting: Waiting) {
        let share = self.by_peer.entry(waiting.peer).or_default();
        let repeated = share.iter().any(|(_, kept)| kept.message == waiting.message);
        if share.len() < PER_PEER_MAX && !repeated {
            share.push((self.next_number, waiting));
            self.next_number += 1;
        }
    }

    /// Takes what waits for a height, in order of arrival, and forgets what waited for earlier ones.
    pub(crate) fn take(&mut self, height: Height) -> Vec<Waiting> {
        let mut taken = Vec::new();
        for share in self.by_peer.values_mut() {
            share.retain(|(_, waiting)| waiting.message.height() >= height);
            taken.extend(share.extract_if(.., |(_, waiting)| waiting.message.height() == height));
        }
        self.by_peer.retain(|_, share| !share.is_empty());
        taken.sort_by_key(|(number, _)| *number);
        taken.into_iter().map(|(_, waiting)| waiting).collect()
    }

    /// What waits for a height, without taking it.
    pub(crate) fn of_height(&self, height: Height) -> impl Iterator<Item = &Message> {
        let messages = self.by_peer.values().flatten().map(|(_, waiting)| &waiting.message);
        messages.filter(move |message| message.height() == height)
    }

    /// Asserts the bounds, and that nothing waits for a height before this one.
    pub(crate) fn check_invariants(&self, lowest: Height) {
        for share in self.by_peer.values() {
            assert!(share.len() <= PER_PEER_MAX, "a peer has more than its share");
            assert!(
                share.iter().all(|(_, waiting)| waiting.message.height() >= lowest),
                "a message outlived its height"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{SignedVote, Vote};
    use catenary_crypto::Signature;
    use catenary_types::{Address, VoteKind};

    fn waiting(peer: u64, height: u64, round: u32) -> Waiting {
        let vote = Vote {
            kind: VoteKind::Prevote,
            height: Height(height),
            round,
            value: None,
            validator: Address([0; 20]),
        };
        let message = Message::Vote(SignedVote { vote, signature: Signature([0; 64]) });
        Waiting { arrival: Timestamp(0), peer: Peer(peer), message }
    }

    #[test]
    fn one_peer_cannot_take_anothers_share() {
        let mut pending = Pending::default();
        for round in 0..1_000 {
            pending.push(waiting(1, 2, round));
        }
        pending.push(waiting(2, 2, 7));
        let taken = pending.take(Height(2));
        assert_eq!(taken.len(), PER_PEER_MAX + 1);
        assert_eq!(taken.last().map(|last| last.peer), Some(Peer(2)));
    }

    #[test]
    fn gives_a_height_in_order_of_arrival_and_forgets_earlier_ones() {
        let mut pending = Pending::default();
        for (peer, height, round) in [(2, 5, 0), (1, 5, 1), (1, 4, 2), (2, 6, 3), (2, 5, 4), (2, 5, 4)] {
            pending.push(waiting(peer, height, round));
        }
        let rounds: Vec<_> = pending.take(Height(5)).iter().map(|kept| kept.message.round()).collect();
        assert_eq!(rounds, [0, 1, 4], "the repeated one counts once");
        assert_eq!(pending.take(Height(4)).len(), 0);
        assert_eq!(pending.of_height(Height(6)).count(), 1);
    }
}
