//! The committed fixtures, each with the verdict of the stock Go code, through our own verifier; and proofs of our own
//! trees through the stock Rust verifier.

use crate::common::packet_key;
use catenary_crypto::Hash;
use catenary_state::{
    Changes, CommitmentProof, Multistore, ProofError, ProofSpec, StoreKind, StoreName, TreeKind,
    decode_merkle_proof, encode_merkle_proof, encode_spec, iavl_spec, is_packet_key, jellyfish_spec,
    verify_ics23, verify_membership, verify_non_membership,
};
use ics23::commitment_proof::Proof;
use ics23::{HostFunctionsManager, InnerOp};
use prost013::Message;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct RawCase {
    name: String,
    spec: String,
    root: String,
    key: String,
    value: Option<String>,
    proof: String,
    expect: String,
}

#[derive(Deserialize)]
struct StoreCase {
    name: String,
    height: Option<u64>,
    root: Option<String>,
    specs: Option<Vec<String>>,
    path: Vec<String>,
    value: Option<String>,
    proof: String,
    expect: String,
}

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex).unwrap()
}

fn optional(hex: &Option<String>) -> Option<Vec<u8>> {
    hex.as_deref().map(bytes)
}

#[test]
fn raw_proofs_get_the_verdicts_of_go() {
    let cases: Vec<RawCase> = serde_json::from_str(include_str!("../fixtures/ics23.json")).unwrap();
    assert_eq!(cases.len(), 42);
    for case in cases {
        let spec = ProofSpec::decode(&bytes(&case.spec)[..]).unwrap();
        assert_eq!(encode_spec(&spec), encode_spec(&jellyfish_spec()), "{}", case.name);
        let proof = CommitmentProof::decode(&bytes(&case.proof)[..]).unwrap();
        let (root, key, value) = (bytes(&case.root), bytes(&case.key), optional(&case.value));
        let verdict = verify_ics23(&spec, &root, &proof, &key, value.as_deref());
        assert_eq!(verdict.is_ok(), case.expect == "accept", "{}: {verdict:?}", case.name);
    }
}

#[test]
fn two_store_proofs_get_the_verdicts_of_go() {
    let cases: Vec<StoreCase> =
        serde_json::from_str(include_str!("../fixtures/two-stores-proofs.json")).unwrap();
    let roots: BTreeMap<u64, String> =
        serde_json::from_str(include_str!("../fixtures/two-stores-app-hashes.json")).unwrap();
    assert_eq!(cases.len(), 22);
    for case in cases {
        let root = case.root.unwrap_or_else(|| roots[&case.height.unwrap()].clone());
        let root = Hash::from_slice(&bytes(&root)).unwrap();
        let tree = match case.specs.as_ref().map(|specs| bytes(&specs[0])) {
            Some(spec) if spec == encode_spec(&jellyfish_spec()) => TreeKind::Jellyfish,
            Some(spec) => {
                assert_eq!(spec, encode_spec(&iavl_spec()), "{}", case.name);
                TreeKind::CritBit
            }
            None => TreeKind::CritBit,
        };
        let proofs = decode_merkle_proof(&bytes(&case.proof)).unwrap();
        assert_eq!(hex::encode(encode_merkle_proof(&proofs)), case.proof, "{}", case.name);
        let (store, key) = (String::from_utf8(bytes(&case.path[0])).unwrap(), bytes(&case.path[1]));
        let verdict = match optional(&case.value) {
            Some(value) => verify_membership(&root, &store, tree, &key, &value, &proofs),
            None => verify_non_membership(&root, &store, tree, &key, &proofs),
        };
        assert_eq!(verdict.is_ok(), case.expect == "accept", "{}: {verdict:?}", case.name);
    }
}

/// A chain of `levels` steps above a leaf, all with a sibling to the right, and the root it leads to.
fn deep(spec: &ProofSpec, leaf_prefix: &[u8], levels: usize) -> (CommitmentProof, Vec<u8>) {
    let inner = spec.inner_spec.as_ref().unwrap();
    let path = (0..levels).map(|level| {
        let (prefix, suffix) = match inner.child_size {
            // Height 300, size 2, version 0.
            33 => (vec![0xd8, 0x04, 4, 0, 32], [&[32][..], &[level as u8; 32]].concat()),
            _ => (b"JMT::IntrnalNode".to_vec(), vec![level as u8; 32]),
        };
        InnerOp { hash: 1, prefix, suffix }
    });
    let mut leaf = spec.leaf_spec.clone().unwrap();
    leaf.prefix = leaf_prefix.to_vec();
    let exist = ics23::ExistenceProof {
        key: b"key".to_vec(),
        value: b"value".to_vec(),
        leaf: Some(leaf),
        path: path.collect(),
    };
    let root = ics23::calculate_existence_root::<HostFunctionsManager>(&exist).unwrap();
    (CommitmentProof { proof: Some(Proof::Exist(exist)) }, root)
}

#[test]
fn a_path_longer_than_max_depth_is_refused_as_in_go() {
    let shallow = ProofSpec { max_depth: 64, ..jellyfish_spec() };
    for (spec, leaf, limit) in [
        (jellyfish_spec(), &b"JMT::LeafNode"[..], 256),
        (shallow, &b"JMT::LeafNode"[..], 64),
        (iavl_spec(), &[0, 2, 0][..], 128),
    ] {
        let (proof, root) = deep(&spec, leaf, limit);
        assert_eq!(verify_ics23(&spec, &root, &proof, b"key", Some(b"value")), Ok(()));
        let (proof, root) = deep(&spec, leaf, limit + 1);
        let loose = ics23::verify_membership::<HostFunctionsManager>(&proof, &spec, &root, b"key", b"value");
        assert!(loose, "the stock Rust verifier does not look at depth");
        let verdict = verify_ics23(&spec, &root, &proof, b"key", Some(b"value"));
        assert_eq!(verdict, Err(ProofError::Depth { limit }));
    }
}

#[test]
fn an_iavl_leaf_of_another_height_or_size_is_refused_as_in_go() {
    for (prefix, good) in [([0, 2, 0], true), ([0, 2, 8], true), ([0, 4, 0], false), ([0, 0, 0], false)] {
        let (proof, root) = deep(&iavl_spec(), &prefix, 3);
        assert!(ics23::verify_membership::<HostFunctionsManager>(
            &proof,
            &iavl_spec(),
            &root,
            b"key",
            b"value"
        ));
        assert_eq!(verify_ics23(&iavl_spec(), &root, &proof, b"key", Some(b"value")).is_ok(), good);
    }
}

#[test]
fn a_step_with_two_siblings_or_none_is_refused() {
    for (siblings_left, siblings_right, good) in [(0, 1, true), (1, 0, true), (1, 1, false), (0, 2, false)] {
        let (mut proof, _) = deep(&jellyfish_spec(), b"JMT::LeafNode", 1);
        let Some(Proof::Exist(exist)) = &mut proof.proof else { panic!("not a membership proof") };
        exist.path[0].prefix.extend([7; 32].repeat(siblings_left));
        exist.path[0].suffix = [7; 32].repeat(siblings_right);
        let root = ics23::calculate_existence_root::<HostFunctionsManager>(exist).unwrap();
        let (spec, value) = (jellyfish_spec(), Some(&b"value"[..]));
        assert_eq!(verify_ics23(&spec, &root, &proof, b"key", value).is_ok(), good);
        let loose = ics23::verify_membership::<HostFunctionsManager>(&proof, &spec, &root, b"key", b"value");
        assert!(loose, "the stock Rust verifier takes them all");
    }
}

const IBC: StoreName = StoreName::new("ibc");
const ASSET: StoreName = StoreName::new("asset");
const REPLAY: StoreName = StoreName::new("replay");

fn chain() -> Multistore {
    let kinds =
        [(IBC, StoreKind::CritBit), (ASSET, StoreKind::IndexedJellyfish), (REPLAY, StoreKind::External)];
    let mut state = Multistore::new(&kinds).unwrap();
    let mut changes = Changes::default();
    for sequence in 1..40 {
        changes.put(IBC, packet_key("bft-client-0", 1, sequence), [sequence as u8; 32]);
        changes.put(IBC, packet_key("bft-client-10", 2, 3 * sequence), [2]);
        changes.put(ASSET, format!("balance/customer{sequence}"), "1000");
    }
    state.commit(1, &changes).unwrap();
    state
}

#[test]
fn the_stock_verifier_accepts_what_the_stores_prove() {
    let state = chain();
    for (store, tree) in [(IBC, TreeKind::CritBit), (ASSET, TreeKind::Jellyfish)] {
        let content: Vec<_> = state.iter_store(1, store).unwrap().collect();
        for (key, value) in content {
            let [inner, outer] = state.prove(1, store, key).unwrap();
            let roots = state.store_roots(1).unwrap();
            let root = roots.iter().find(|(name, _)| *name == store).unwrap().1.0.to_vec();
            let spec = tree.spec();
            assert!(ics23::verify_membership::<HostFunctionsManager>(&inner, &spec, &root, key, value));
            let app_hash = state.root(1).unwrap().0.to_vec();
            let (spec, name) = (ics23::tendermint_spec(), store.as_str().as_bytes());
            assert!(ics23::verify_membership::<HostFunctionsManager>(&outer, &spec, &app_hash, name, &root));
            let absent = [key, &[0]].concat();
            let [inner, _] = state.prove(1, store, &absent).unwrap();
            assert!(ics23::verify_non_membership::<HostFunctionsManager>(
                &inner,
                &tree.spec(),
                &root,
                &absent
            ));
        }
    }
}

#[test]
fn a_decoded_timeout_proof_holds_only_packet_keys() {
    let state = chain();
    let receipt = packet_key("bft-client-10", 2, 4);
    let bytes = encode_merkle_proof(&state.prove(1, IBC, &receipt).unwrap());
    let [inner, outer] = decode_merkle_proof(&bytes).unwrap();
    let Some(Proof::Nonexist(absent)) = inner.proof else { panic!("not an absence proof") };
    let mut shown = vec![absent.key];
    shown.extend([absent.left, absent.right].into_iter().flatten().map(|exist| exist.key));
    assert_eq!(shown.len(), 3);
    assert!(shown.iter().all(|key| is_packet_key(key)), "{shown:?}");
    let Some(Proof::Exist(outer)) = outer.proof else { panic!("not a membership proof") };
    assert_eq!(outer.key, b"ibc");
    let multiproof = state.multiproof(1, IBC, &[&receipt]).unwrap().encode();
    for encoded in [&bytes, &multiproof] {
        assert!(!encoded.windows(8).any(|window| window == b"customer"));
    }
}

#[test]
fn a_merkle_proof_has_one_encoding() {
    let state = chain();
    let proofs = state.prove(1, IBC, &packet_key("bft-client-0", 1, 1)).unwrap();
    let framed = |proof: &[u8]| {
        let mut out = vec![0x0a];
        prost013::encoding::encode_varint(proof.len() as u64, &mut out);
        [&out[..], proof].concat()
    };
    let [inner, outer] = proofs.each_ref().map(Message::encode_to_vec);
    let good = [framed(&inner), framed(&outer)].concat();
    assert_eq!(decode_merkle_proof(&good), Ok(proofs));
    let unknown_field = [&inner[..], &[0x7a, 0]].concat();
    let long_length =
        [&[0x0a, outer.len() as u8 | 0x80, outer.len() as u8 >> 7 | 0x80, 0], &outer[..]].concat();
    for bad in [
        [framed(&unknown_field), framed(&outer)].concat(),
        [framed(&inner), framed(&outer), vec![0x7a, 0]].concat(),
        [framed(&inner), framed(&outer), framed(&outer)].concat(),
        [framed(&inner), long_length].concat(),
        framed(&inner),
        Vec::new(),
    ] {
        assert!(matches!(decode_merkle_proof(&bad), Err(ProofError::Malformed { .. })), "{bad:?}");
    }
    let large = vec![0; catenary_state::limits::MERKLE_PROOF_BYTES_MAX + 1];
    assert!(matches!(decode_merkle_proof(&large), Err(ProofError::TooLarge { .. })));
}
