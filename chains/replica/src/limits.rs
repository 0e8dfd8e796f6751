//! Limits of one replica; they bound memory and never decide validity.

/// Transactions that wait for a block.
pub const POOL_TRANSACTIONS_MAX: usize = 50_000;
/// Bytes of envelopes that wait for a block.
pub const POOL_BYTES_MAX: usize = 64 << 20;
/// Submissions that wait for admission; one more is answered "busy".
pub const SUBMISSIONS_WAITING_MAX: usize = 64;
/// A chain admits one tick a second: enough for a clock, too few for a flood.
pub const TICK_INTERVAL_MS: u64 = 1_000;
