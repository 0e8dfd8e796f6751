//! The name under which users know a transfer, the same on both chains.

use catenary_crypto::{Hash, sha256_parts};
use catenary_packet::{ClientId, Sequence};
use std::fmt;

/// A transfer: SHA-256 over tag, route, sequence and index.
///
/// The route is the text `<source chain id>/<source client>`. With one-byte lengths before tag and route, eight bytes of
/// sequence and four of index (big-endian), no two transfers share the hash's input.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId(pub Hash);

impl TransferId {
    const TAG: &[u8] = b"catenary/transfer/1";

    /// The id of the transfer at place `index` of a packet; a packet of one transfer has it at 0.
    ///
    /// `source_chain` is a chain id, at most 64 bytes of it count; CometBFT's have at most 50.
    pub fn new(source_chain: &str, source_client: &ClientId, sequence: Sequence, index: u32) -> Self {
        let route = format!("{source_chain:.64}/{source_client}");
        let length = |bytes: &[u8]| [u8::try_from(bytes.len()).expect("chain and client ids are short")];
        Self(sha256_parts(&[
            &length(Self::TAG),
            Self::TAG,
            &length(route.as_bytes()),
            route.as_bytes(),
            &sequence.0.to_be_bytes(),
            &index.to_be_bytes(),
        ]))
    }
}

impl fmt::Display for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_is_pinned() {
        let id = TransferId::new("berka-0123456789abcdef-1", &ClientId::bft(7), Sequence(258), 0);
        assert_eq!(id.to_string(), include_str!("../tests/fixtures/transfer_id.hex").trim());
    }

    #[test]
    fn every_part_counts() {
        let base = TransferId::new("a-0123456789abcdef-1", &ClientId::bft(0), Sequence(1), 0);
        for other in [
            TransferId::new("b-0123456789abcdef-1", &ClientId::bft(0), Sequence(1), 0),
            TransferId::new("a-0123456789abcdef-1", &ClientId::bft(1), Sequence(1), 0),
            TransferId::new("a-0123456789abcdef-1", &ClientId::bft(0), Sequence(2), 0),
            TransferId::new("a-0123456789abcdef-1", &ClientId::bft(0), Sequence(1), 1),
        ] {
            assert_ne!(base, other);
        }
    }
}
