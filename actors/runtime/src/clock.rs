//! The node's clock: the only place that asks what time it is.

use catenary_types::Timestamp;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Wall-clock time. A clock before 1970 reads as 0.
pub fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX))
}

/// How long until `deadline`; nothing if it is past. Never under a millisecond, which timers round to anyway.
pub fn until(deadline: Timestamp) -> Duration {
    Duration::from_nanos(deadline.nanos_since(now())).max(Duration::from_millis(1))
}
