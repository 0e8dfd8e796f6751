//! Every limit of the packet protocol, with the relations between them.

use catenary_types::limits::{ENVELOPE_BYTES_MAX, PACKETS_PER_CALL_MAX};

/// Shortest client id that can carry a packet.
pub const CLIENT_ID_BYTES_MIN: usize = 8;
/// Longest client id.
pub const CLIENT_ID_BYTES_MAX: usize = 64;
/// Digits of a client id's number.
pub const CLIENT_NUMBER_DIGITS_MAX: usize = 20;
/// Shortest port.
pub const PORT_BYTES_MIN: usize = 2;
/// Longest port.
pub const PORT_BYTES_MAX: usize = 128;
/// Longest version or encoding of a payload.
pub const PAYLOAD_LABEL_BYTES_MAX: usize = 128;
/// Longest value of a payload; ibc-go's limit.
pub const PAYLOAD_BYTES_MAX: usize = 262_144;
/// Longest acknowledgement that an app of ours may give.
pub const ACKNOWLEDGEMENT_BYTES_MAX: usize = 32 * 1024;
/// A packet's deadline is at most this far from the block that sends it: 24 hours.
pub const TIMEOUT_AHEAD_S_MAX: u64 = 24 * 3600;

/// Most bytes of header, certificate and sets that a client may be created to read.
pub const UPDATE_BYTES_LIMIT: usize = 256 * 1024;
/// Longest trusting period: 90 days.
pub const TRUSTING_PERIOD_S_MAX: u64 = 90 * 24 * 3600;
/// Shortest allowance for a counterparty's clock.
pub const CLOCK_DRIFT_MS_MIN: u64 = 10_000;
/// Longest allowance for a counterparty's clock.
pub const CLOCK_DRIFT_MS_MAX: u64 = 600_000;
/// Largest denominator of a fraction of voting power.
pub const FRACTION_DENOMINATOR_MAX: u64 = 1_000;
/// Most members of a counterparty's validator set.
pub const SET_MEMBERS_MAX: usize = 256;
/// Expired consensus states that one update deletes: more than it adds, so that they never pile up.
pub const PRUNED_PER_UPDATE_MAX: usize = 4;
/// Consensus states between the trusted height of an update and its place among them.
pub const NEIGHBOUR_STEPS_MAX: usize = 256;
/// Longest reason that an event or a record keeps.
pub const REASON_BYTES_MAX: usize = 200;
/// Longest ICS-23 proof of one packet.
pub const MERKLE_PROOF_BYTES_MAX: usize = 64 * 1024;

const _: () = {
    assert!(PAYLOAD_BYTES_MAX < ENVELOPE_BYTES_MAX);
    assert!(UPDATE_BYTES_LIMIT < ENVELOPE_BYTES_MAX);
    assert!(PRUNED_PER_UPDATE_MAX > 1);
    assert!(PACKETS_PER_CALL_MAX > 0);
};
