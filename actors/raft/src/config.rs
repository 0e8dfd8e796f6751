//! Times and limits of a log.

use catenary_consensus::raft::ENTRIES_PER_MESSAGE_MAX;
use openraft::{Config, SnapshotPolicy};
use std::sync::Arc;

/// How often a leader says that it is there; also how long it waits for an answer to entries.
const HEARTBEAT_MS: u64 = 250;
/// Between these a follower waits for its leader before it stands itself.
const ELECTION_MS: (u64, u64) = (750, 1_500);
/// How long a leader waits for an answer to a new beginning of the log.
const INSTALL_MS: u64 = 2_000;
/// Applied entries that a log keeps for followers who are a little behind.
pub const LOG_ENTRIES_KEPT: u64 = 32;
/// Entries above those that may stay before the log is cut again.
pub const LOG_ENTRIES_UNCUT_MAX: usize = 32;
/// Bytes of blocks in one message, but for its first entry.
pub(crate) const MESSAGE_BYTES_MAX: usize = 4 << 20;

const _: () = assert!(2 * HEARTBEAT_MS < ELECTION_MS.0, "one lost heartbeat makes no election");

/// The engine's configuration.
pub(crate) fn engine_config(name: &str) -> Arc<Config> {
    let config = Config {
        cluster_name: name.to_owned(),
        heartbeat_interval: HEARTBEAT_MS,
        election_timeout_min: ELECTION_MS.0,
        election_timeout_max: ELECTION_MS.1,
        install_snapshot_timeout: INSTALL_MS,
        max_payload_entries: ENTRIES_PER_MESSAGE_MAX as u64,
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: LOG_ENTRIES_KEPT,
        ..Config::default()
    };
    Arc::new(config.validate().expect("the constants make sense"))
}
