//! Every limit of the front door, with the relations between them. tonic sets none of them by default.

use catenary_types::limits::{BLOCK_BYTES_MAX, ENVELOPE_BYTES_MAX};
use std::time::Duration;

/// Envelopes in one request.
pub const ENVELOPES_PER_REQUEST_MAX: usize = 1_000;
/// Keys in one proof.
pub const KEYS_PER_PROOF_MAX: usize = 1_000;
/// Assets whose balances one request may ask for.
pub const ASSETS_PER_REQUEST_MAX: usize = 100;
/// Kinds of events in one filter.
pub const KINDS_PER_FILTER_MAX: usize = 32;
/// Chains on one page.
pub const PAGE_SIZE_MAX: usize = 100;
/// How long `SendTransfer` may wait for a block.
pub const TRANSFER_WAIT_MS_MAX: u64 = 10_000;

/// Bytes of a request around its envelope.
const FRAME_BYTES: usize = 4 << 10;
/// Bytes of a request with one envelope.
pub const SUBMIT_BYTES_MAX: usize = ENVELOPE_BYTES_MAX + FRAME_BYTES;
/// Bytes of a request with many envelopes.
pub const SUBMIT_MANY_BYTES_MAX: usize = (4 << 20) + FRAME_BYTES;
/// Bytes of a request with keys to prove.
pub const PROOF_REQUEST_BYTES_MAX: usize = 256 << 10;
/// Bytes of any other request.
pub const READ_BYTES_MAX: usize = 64 << 10;
/// Bytes of headers of one request.
pub const HEADER_LIST_BYTES_MAX: u32 = 16 << 10;

/// Messages that wait in a stream for its reader.
pub const STREAM_BUFFER: usize = 256;
/// Blocks that wait in a stream for its reader.
pub const BLOCK_STREAM_BUFFER: usize = 4;

/// How often a silent connection is asked whether it lives.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// How long that answer may take.
pub const KEEPALIVE_TIME: Duration = Duration::from_secs(10);
/// How long open connections get when the node stops.
pub const GRACE_TIME: Duration = Duration::from_secs(5);
/// How often a watched health is looked at.
pub const HEALTH_INTERVAL: Duration = Duration::from_secs(1);

const _: () = {
    assert!(SUBMIT_BYTES_MAX <= SUBMIT_MANY_BYTES_MAX);
    assert!(SUBMIT_MANY_BYTES_MAX <= BLOCK_BYTES_MAX);
    assert!(READ_BYTES_MAX < SUBMIT_BYTES_MAX);
};

/// What one operator may tune for one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; more are closed at once.
    pub connections: usize,
    /// Requests at once on one connection.
    pub streams_per_connection: u32,
    /// Subscriptions at once, over all connections.
    pub subscriptions: usize,
    /// From connecting to the first complete HTTP/2 frame.
    pub handshake_time: Duration,
    /// From the request's first byte to the answer; streams may last.
    pub request_time: Duration,
    /// How long a stream waits for a reader whose buffer is full.
    pub slow_consumer_time: Duration,
    /// How often a quiet event stream says how far it has come.
    pub progress_interval: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1_024,
            streams_per_connection: 128,
            subscriptions: 4_096,
            handshake_time: Duration::from_secs(5),
            request_time: Duration::from_secs(10),
            slow_consumer_time: Duration::from_secs(10),
            progress_interval: Duration::from_secs(5),
        }
    }
}

/// Bytes of one request of a method; none for streams of small requests, which have a limit per message.
pub(crate) fn request_bytes_max(path: &str) -> Option<usize> {
    Some(match path {
        "/catenary.api.v1.LedgerService/Submit" | "/catenary.api.v1.TransferService/SendTransfer" => {
            SUBMIT_BYTES_MAX
        }
        "/catenary.api.v1.LedgerService/SubmitMany" | "/catenary.api.v1.GatewayService/SubmitBatch" => {
            SUBMIT_MANY_BYTES_MAX
        }
        "/catenary.api.v1.GatewayService/GetProof" | "/catenary.api.v1.LedgerService/GetHeader" => {
            PROOF_REQUEST_BYTES_MAX
        }
        path if path.starts_with("/grpc.reflection.") => return None,
        _ => READ_BYTES_MAX,
    })
}
