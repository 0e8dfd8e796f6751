//! Capacities of all mailboxes, in one table.
//!
//! What outsiders send uses `try_send` and is refused or dropped when a mailbox is full. Completions of an actor's own
//! effects use `do_send`, which ignores capacity: their number is bounded by the effects in flight.

/// `Chain`: a submission is refused with "busy".
pub const CHAIN: usize = 1_024;
/// `Consensus`: a peer message is dropped and counted; the protocol sends again.
pub const CONSENSUS: usize = 4_096;
/// `PeerLink`: a frame is dropped and counted; whoever sent it sends again what matters.
pub const PEER_LINK: usize = 8_192;
/// Each lane of a link: the oldest frame is dropped and counted.
pub const LANE: usize = 4_096;
/// `Router`: it forgets and rescans.
pub const ROUTER: usize = 4_096;
/// Reads that wait in a chain's executor lane; one more is answered "busy".
pub const READS_WAITING: usize = 1_024;
