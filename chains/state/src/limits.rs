//! Every limit of this crate, with the relations between them.

/// Longest key of any store, in bytes.
pub const KEY_BYTES_MAX: usize = 1024;
/// Longest key of a crit-bit store: client id, kind, sequence.
pub const PACKET_KEY_BYTES_MAX: usize = CLIENT_ID_BYTES_MAX + 1 + 8;
/// Shortest client id that can carry a packet, in bytes.
pub const CLIENT_ID_BYTES_MIN: usize = 8;
/// Longest client id, in bytes.
pub const CLIENT_ID_BYTES_MAX: usize = 64;
/// Longest value of any store, in bytes. Larger things are stored by hash.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;
/// Longest store name, in bytes; also what keeps its length prefix at one byte.
pub const STORE_NAME_BYTES_MAX: usize = 64;
/// Most stores of one chain: a store's path is at most [`STORE_STEPS_MAX`] hashes.
pub const STORES_MAX: usize = 1 << STORE_STEPS_MAX;
/// Most hashes between a store's leaf and the app hash.
pub const STORE_STEPS_MAX: usize = 8;

/// Most levels of a Jellyfish proof: the bits of a key hash.
pub const JELLYFISH_DEPTH_MAX: usize = 256;
/// Most levels of a proof in IAVL form or of the simple Merkle tree: what Go takes an unset `max_depth` for.
pub const IAVL_DEPTH_MAX: usize = 128;

/// Largest encoded `MerkleProof`, in bytes.
pub const MERKLE_PROOF_BYTES_MAX: usize = 256 * 1024;
/// Largest encoded multiproof, in bytes.
pub const MULTIPROOF_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most nodes of a multiproof; bounds memory, since the smallest node takes one byte on the wire.
pub const MULTIPROOF_NODES_MAX: usize = 32 * 1024;

// The largest absence proof has two neighbours of full depth, key and value, at most 96 bytes a step.
const _: () = assert!(
    2 * (KEY_BYTES_MAX + VALUE_BYTES_MAX + 96 * JELLYFISH_DEPTH_MAX) + 96 * IAVL_DEPTH_MAX
        < MERKLE_PROOF_BYTES_MAX
);
const _: () = assert!(STORE_NAME_BYTES_MAX < 128, "the length prefix of a name is one byte");
const _: () = assert!(STORE_STEPS_MAX <= 8, "the sides of the steps are one byte");
const _: () = assert!(STORE_STEPS_MAX <= IAVL_DEPTH_MAX);
// A header, every step, and as many nodes of the largest kind as there may be: a proof that is made can be read.
const _: () = assert!(
    4 + 32 * STORE_STEPS_MAX + (2 + PACKET_KEY_BYTES_MAX + 32) * MULTIPROOF_NODES_MAX < MULTIPROOF_BYTES_MAX
);
const _: () = assert!(PACKET_KEY_BYTES_MAX <= KEY_BYTES_MAX && PACKET_KEY_BYTES_MAX < 256);
