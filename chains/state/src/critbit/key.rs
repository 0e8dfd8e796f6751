//! Which keys the crit-bit tree takes: `client ‖ kind ‖ BE64(sequence)` and the sentinel.
//!
//! A client id consists of visible characters only, so the kind byte (1 to 3) ends it and no key is a prefix of
//! another: every two keys differ in a bit, which a crit-bit tree needs.

use crate::limits::{CLIENT_ID_BYTES_MAX, CLIENT_ID_BYTES_MIN};
use crate::multistore::SENTINEL_KEY;

const SEQUENCE_BYTES: usize = 8;

/// Whether `key` is the sentinel or a client id (8 to 64 letters, digits, `_`, `-`), a kind from 1 to 3, and the eight
/// bytes of a sequence.
pub fn is_packet_key(key: &[u8]) -> bool {
    if key == SENTINEL_KEY {
        return true;
    }
    let Some((rest, _)) = key.split_last_chunk::<SEQUENCE_BYTES>() else { return false };
    let Some((kind, client)) = rest.split_last() else { return false };
    (1..=3).contains(kind)
        && (CLIENT_ID_BYTES_MIN..=CLIENT_ID_BYTES_MAX).contains(&client.len())
        && client.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(client: &str, kind: u8, sequence: u64) -> Vec<u8> {
        [client.as_bytes(), &[kind], &sequence.to_be_bytes()].concat()
    }

    #[test]
    fn packet_keys_and_the_sentinel_are_taken() {
        for client in ["bft-client-0", "07-tendermint-0", "abcdefgh", &"a".repeat(64)] {
            assert!((1..=3).all(|kind| is_packet_key(&key(client, kind, u64::MAX))), "{client}");
        }
        assert!(is_packet_key(&[0]));
    }

    #[test]
    fn everything_else_is_refused() {
        for client in ["", "bft-0", &"a".repeat(65), "bft client-0", "bft.client-0", "bft-client-\u{e9}"] {
            assert!(!is_packet_key(&key(client, 1, 1)), "{client}");
        }
        for kind in [0, 4, b'0', 255] {
            assert!(!is_packet_key(&key("bft-client-0", kind, 1)), "{kind}");
        }
        let good = key("bft-client-0", 1, 1);
        assert!(!is_packet_key(&good[..good.len() - 1]));
        assert!(!is_packet_key(&[&good[..], &[0]].concat()));
        assert!(!is_packet_key(&[]) && !is_packet_key(&[0, 0]) && !is_packet_key(&[1]));
    }
}
