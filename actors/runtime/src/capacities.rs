//! Capacities of all queues that outsiders can fill, in one table.
//!
//! What outsiders send uses `try_send` and is refused or dropped when a mailbox is full. Completions of an actor's own
//! effects use `do_send`, which ignores capacity: their number is bounded by the effects in flight.

/// How much waits where, and what becomes of the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacities {
    /// `Chain`: a submission is refused with "busy".
    pub chain: usize,
    /// `Consensus`: a peer message is dropped and counted; the protocol sends again.
    pub consensus: usize,
    /// `PeerLink`: a frame is dropped and counted; whoever sent it sends again what matters.
    pub peer_link: usize,
    /// Each lane of a link: the oldest frame is dropped and counted.
    pub lane: usize,
    /// `Router`: it forgets and rescans.
    pub router: usize,
    /// Reads that wait in a chain's executor lane; one more is answered "busy".
    pub reads: usize,
}

impl Default for Capacities {
    fn default() -> Self {
        Self { chain: 1_024, consensus: 4_096, peer_link: 8_192, lane: 4_096, router: 4_096, reads: 1_024 }
    }
}
