//! Links between nodes of several processes: one stream of frames over mutual TLS 1.3 between every two nodes.
//!
//! ```text
//!  TCP ─► TLS: a certificate that leads to a root which a chain records for the organisation in it
//!      ─► greeting: the node key in the certificate signs what binds it to this session
//!      ─► a place: one link to each node
//!      ─► frames of the chains that record the root, until the certificate runs out or is revoked
//! ```
//!
//! A node both listens and connects. Of two links that two nodes made at once, both keep the same one.
//!
//! # Invariants
//!
//! - Before a certificate is accepted no byte of HTTP/2 is read, and before a greeting is accepted no frame.
//! - Nothing of a chain is sent to, or taken from, a node whose authority that chain does not record.
//! - A certificate is judged again every ten seconds; what has run out or been revoked ends its link.
//! - Memory is bounded: connections, handshakes, messages and what waits each have a limit.
//! - What comes is input: malformed messages end the link and cost its node time, never a panic.

mod certificate;
mod identity;
mod listener;
mod network;
mod registry;
mod session;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests;
mod tls;
mod trust;

pub use certificate::{NameError, NodeName, serial_number};
pub use identity::{Identity, IdentityError};
pub use network::{KnownNode, NewLink, Peers, PeersConfig, PeersError};
/// What certificates, keys and lists of revoked ones are read as.
pub use rustls::pki_types;
pub use trust::{Admitted, Authority, Refused, Trust};
