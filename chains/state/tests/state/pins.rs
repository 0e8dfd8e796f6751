//! Every hashed or encoded byte of this crate, pinned. A failure here is a fork.
//!
//! Leaf and inner hashes are recomputed from their written formula, then compared with the committed value.

use crate::common::packet_key;
use catenary_crypto::{Hash, sha256};
use catenary_state::{
    Changes, CritBitTree, JellyfishTree, Multistore, StoreKind, StoreName, TreeKind, encode_merkle_proof,
    encode_spec, iavl_spec, jellyfish_spec,
};
use std::fmt::Write;

const IBC: StoreName = StoreName::new("ibc");
const ASSET: StoreName = StoreName::new("asset");
const REPLAY: StoreName = StoreName::new("replay");

fn sha(parts: &[&[u8]]) -> Hash {
    sha256(&parts.concat())
}

fn jellyfish_leaf(key: &[u8], value: &[u8]) -> Hash {
    sha(&[b"JMT::LeafNode", &sha256(key).0, &sha256(value).0])
}

fn iavl_leaf(key: &[u8], value: &[u8]) -> Hash {
    sha(&[&[0, 2, 0, key.len() as u8], key, &[32], &sha256(value).0])
}

fn jellyfish_root(entries: &[(&[u8], &[u8])]) -> Hash {
    JellyfishTree::new().commit(1, entries.iter().map(|(key, value)| (*key, Some(*value))))
}

fn crit_bit_root(entries: &[(&[u8], &[u8])]) -> Hash {
    CritBitTree::new().commit(1, entries.iter().map(|(key, value)| (*key, Some(*value))))
}

/// A small chain that holds every form of node: the content of all pins below.
fn chain() -> Multistore {
    let kinds =
        [(IBC, StoreKind::CritBit), (ASSET, StoreKind::IndexedJellyfish), (REPLAY, StoreKind::External)];
    let mut state = Multistore::new(&kinds).unwrap();
    let mut changes = Changes::default();
    for sequence in 1..=5 {
        changes.put(IBC, packet_key("bft-client-0", 1, sequence), [sequence as u8; 32]);
        changes.put(ASSET, format!("balance/{sequence}"), sequence.to_string());
    }
    state.commit(1, &changes).unwrap();
    state
}

/// All pins as lines of name and hex.
fn pins() -> String {
    let mut out = String::new();
    let mut pin = |name: &str, bytes: &[u8]| writeln!(out, "{name} {}", hex::encode(bytes)).unwrap();
    let (a, b) = (packet_key("bft-client-0", 1, 1), packet_key("bft-client-0", 2, 1));
    pin("jellyfish spec", &encode_spec(&jellyfish_spec()));
    pin("iavl spec", &encode_spec(&iavl_spec()));
    pin("jellyfish empty", &jellyfish_root(&[]).0);
    pin("jellyfish sentinel", &jellyfish_root(&[(&[0], &[1])]).0);
    pin("jellyfish inner", &jellyfish_root(&[(b"key/0", b"value 0"), (b"key/1", b"value 1")]).0);
    pin("crit-bit sentinel", &crit_bit_root(&[(&[0], &[1])]).0);
    pin("crit-bit inner", &crit_bit_root(&[(&a, &[1; 32]), (&b, &[2])]).0);
    let mut empty = Multistore::new(&[(IBC, StoreKind::CritBit), (ASSET, StoreKind::Jellyfish)]).unwrap();
    pin("stores sentinel", &empty.commit(0, &Changes::default()).unwrap().0);
    let state = chain();
    for (name, root) in state.store_roots(1).unwrap() {
        pin(&format!("root of {name}"), &root.0);
    }
    pin("app hash", &state.root(1).unwrap().0);
    let (present, absent) = (packet_key("bft-client-0", 1, 3), packet_key("bft-client-0", 2, 3));
    pin("single ibc present", &encode_merkle_proof(&state.prove(1, IBC, &present).unwrap()));
    pin("single ibc absent", &encode_merkle_proof(&state.prove(1, IBC, &absent).unwrap()));
    pin("multi ibc", &state.multiproof(1, IBC, &[&present, &absent]).unwrap().encode());
    let keys: [&[u8]; 3] = [b"balance/2", b"balance/4", b"balance/8"];
    pin("multi asset", &state.multiproof(1, ASSET, &keys).unwrap().encode());
    out
}

#[test]
fn every_hashed_byte_is_as_committed() {
    assert_eq!(pins(), include_str!("../fixtures/pins.txt"));
}

#[test]
fn the_formulas_give_the_pinned_roots() {
    let (left, right) = (jellyfish_leaf(b"key/0", b"value 0"), jellyfish_leaf(b"key/1", b"value 1"));
    let (mut left, mut right) = ((sha256(b"key/0"), left), (sha256(b"key/1"), right));
    if right.0 < left.0 {
        std::mem::swap(&mut left, &mut right);
    }
    // The two paths differ in the first bit, so there is one inner node.
    assert!(left.0.0[0] < 0x80 && right.0.0[0] >= 0x80);
    let inner = sha(&[b"JMT::IntrnalNode", &left.1.0, &right.1.0]);
    assert_eq!(jellyfish_root(&[(b"key/0", b"value 0"), (b"key/1", b"value 1")]), inner);
    assert_eq!(jellyfish_root(&[(&[0], &[1])]), jellyfish_leaf(&[0], &[1]));
    assert_eq!(jellyfish_root(&[]).0, *b"SPARSE_MERKLE_PLACEHOLDER_HASH__");

    let (a, b) = (packet_key("bft-client-0", 1, 1), packet_key("bft-client-0", 2, 1));
    let (left, right) = (iavl_leaf(&a, &[1; 32]), iavl_leaf(&b, &[2]));
    // Height 1, size 2, version 0.
    let inner = sha(&[&[2, 4, 0, 32], &left.0, &[32], &right.0]);
    assert_eq!(crit_bit_root(&[(&a, &[1; 32]), (&b, &[2])]), inner);

    let state = chain();
    let leaf =
        |name: &str, root: &Hash| sha(&[&[0, name.len() as u8], name.as_bytes(), &[32], &sha256(&root.0).0]);
    let roots = state.store_roots(1).unwrap();
    let [asset, ibc, replay] = [0, 1, 2].map(|at| leaf(roots[at].0.as_str(), &roots[at].1));
    let two = sha(&[&[1], &asset.0, &ibc.0]);
    assert_eq!(state.root(1), Ok(sha(&[&[1], &two.0, &replay.0])));
}

#[test]
fn the_pinned_multiproofs_verify() {
    let state = chain();
    let app_hash = state.root(1).unwrap();
    let pinned = |name: &str| {
        let line = include_str!("../fixtures/pins.txt").lines().find_map(|line| line.strip_prefix(name));
        catenary_state::Multiproof::decode(&hex::decode(line.unwrap().trim()).unwrap()).unwrap()
    };
    let (present, absent) = (packet_key("bft-client-0", 1, 3), packet_key("bft-client-0", 2, 3));
    let queries = [(&present[..], Some(&[3; 32][..])), (&absent[..], None)];
    assert_eq!(pinned("multi ibc").verify(&app_hash, "ibc", TreeKind::CritBit, &queries), Ok(()));
    let queries = [(&b"balance/2"[..], Some(&b"2"[..])), (b"balance/4", Some(b"4")), (b"balance/8", None)];
    assert_eq!(pinned("multi asset").verify(&app_hash, "asset", TreeKind::Jellyfish, &queries), Ok(()));
}
