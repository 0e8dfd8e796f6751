//! What the `ibc` store holds: keys and values of packets, byte for byte those of ibc-go and the Solidity contracts.
//!
//! | Key | Value | On |
//! |---|---|---|
//! | `client ‖ 01 ‖ BE64(sequence)` | [`packet_commitment`] | the source, until the packet is settled |
//! | `client ‖ 02 ‖ BE64(sequence)` | [`RECEIPT`] | the target, for ever |
//! | `client ‖ 03 ‖ BE64(sequence)` | [`acknowledgement_commitment`] | the target, for ever |
//!
//! The client is that of the chain on which the key stands. A commitment covers target client, deadline and payloads;
//! source client and sequence are bound by the key alone.

use crate::{
    ids::{ClientId, Sequence},
    messages::{Packet, Payload},
};
use catenary_crypto::{Hash, sha256, sha256_parts};

/// Version of both commitments.
const VERSION: u8 = 2;

/// What a receipt key holds.
pub const RECEIPT: &[u8] = &[2];

/// The answer that stands for any failure: SHA-256 of `UNIVERSAL_ERROR_ACKNOWLEDGEMENT`.
pub const ERROR_ACKNOWLEDGEMENT: [u8; 32] = [
    0x47, 0x74, 0xd4, 0xa5, 0x75, 0x99, 0x3f, 0x96, 0x3b, 0x1c, 0x06, 0x57, 0x37, 0x36, 0x61, 0x7a, 0x45,
    0x7a, 0xbe, 0xf8, 0x58, 0x91, 0x78, 0xdb, 0x8d, 0x10, 0xc9, 0x4b, 0x4a, 0xb5, 0x11, 0xab,
];

/// Key of a packet's commitment; `client` is its source client.
pub fn commitment_key(client: &ClientId, sequence: Sequence) -> Vec<u8> {
    key(client, 1, sequence)
}

/// Key of a packet's receipt; `client` is its target client.
pub fn receipt_key(client: &ClientId, sequence: Sequence) -> Vec<u8> {
    key(client, 2, sequence)
}

/// Key of a packet's acknowledgement; `client` is its target client.
pub fn acknowledgement_key(client: &ClientId, sequence: Sequence) -> Vec<u8> {
    key(client, 3, sequence)
}

fn key(client: &ClientId, kind: u8, sequence: Sequence) -> Vec<u8> {
    [client.as_str().as_bytes(), &[kind], &sequence.0.to_be_bytes()].concat()
}

/// `SHA256(02 ‖ SHA256(dest_client) ‖ SHA256(BE64(timeout)) ‖ SHA256(payload hashes))`.
pub fn packet_commitment(packet: &Packet) -> Hash {
    let timeout = sha256(&packet.timeout_timestamp.0.to_be_bytes());
    let payloads: Vec<u8> = packet.payloads.iter().flat_map(|payload| payload_hash(payload).0).collect();
    let dest_client = sha256(packet.dest_client.as_str().as_bytes());
    sha256_parts(&[&[VERSION], &dest_client.0, &timeout.0, &sha256(&payloads).0])
}

/// `SHA256(SHA256(source_port) ‖ SHA256(dest_port) ‖ SHA256(version) ‖ SHA256(encoding) ‖ SHA256(value))`.
fn payload_hash(payload: &Payload) -> Hash {
    let texts = [&payload.source_port, &payload.dest_port, &payload.version, &payload.encoding];
    let [source, dest, version, encoding] = texts.map(|text| sha256(text.as_bytes()));
    sha256_parts(&[&source.0, &dest.0, &version.0, &encoding.0, &sha256(&payload.value).0])
}

/// `SHA256(02 ‖ SHA256(acknowledgement))`: a packet has one payload, so one answer.
pub fn acknowledgement_commitment(acknowledgement: &[u8]) -> Hash {
    sha256_parts(&[&[VERSION], &sha256(acknowledgement).0])
}
