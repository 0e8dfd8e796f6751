//! Every limit of the relay, with the relations between them.

use catenary_types::limits::{ENVELOPE_BYTES_MAX, PACKETS_PER_CALL_MAX};

/// First pause after something was refused or lost.
pub const BACKOFF_MS_MIN: u64 = 200;
/// Longest pause; the relay never gives up.
pub const BACKOFF_MS_MAX: u64 = 30_000;
/// How long the relay's transactions ask to be valid.
pub const VALID_FOR_S: u64 = 300;
/// Calls under way at once for one step of one flow: while one waits for its block, the next one gathers packets.
pub const JOBS_PER_STEP_MAX: usize = 2;
/// Bytes of packets and acknowledgements in one call; header, sets and proof have the rest of the envelope.
pub const CALL_PACKET_BYTES_MAX: usize = ENVELOPE_BYTES_MAX / 2;
/// Packets in one call.
pub const CALL_PACKETS_MAX: usize = PACKETS_PER_CALL_MAX;
/// Headers kept of each chain, to notice one that contradicts them.
pub const RECENT_HEADERS_MAX: usize = 64;
/// Heights remembered of each client.
pub const KNOWN_HEIGHTS_MAX: usize = 64;
/// Receipts kept for packets whose send was not heard yet, per flow.
pub const EARLY_RECEIPTS_MAX: usize = 20_000;
/// Contradictions waiting to be submitted.
pub const EVIDENCE_MAX: usize = 64;
/// How long a proof or a subscription may stay without answer.
pub const ANSWER_MS_MAX: u64 = 10_000;
/// First pause before an envelope whose fate is unknown is submitted again.
pub const RESUBMIT_MS_MIN: u64 = 2_000;
/// Time between two ticks of one chain.
pub const TICK_MS_MIN: u64 = 1_000;
/// Fruitless attempts on one packet after which the relay doubts its own view and reads the chain again.
pub const DOUBT_ATTEMPTS: u32 = 6;
/// Time between two full readings of one chain.
pub const RESCAN_MS_MIN: u64 = 60_000;

const _: () = {
    assert!(BACKOFF_MS_MIN < BACKOFF_MS_MAX);
    assert!(RESUBMIT_MS_MIN < VALID_FOR_S * 1_000);
    assert!(RECENT_HEADERS_MAX > 1 && KNOWN_HEIGHTS_MAX > 1);
};

/// The pause after so many fruitless attempts in a row.
pub(crate) fn backoff_ms(attempts: u32) -> u64 {
    BACKOFF_MS_MIN.saturating_mul(1 << attempts.min(20)).min(BACKOFF_MS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_from_the_shortest_to_the_longest() {
        assert_eq!([0, 1, 2].map(backoff_ms), [200, 400, 800]);
        assert_eq!([8, 40, u32::MAX].map(backoff_ms), [BACKOFF_MS_MAX; 3]);
    }
}
