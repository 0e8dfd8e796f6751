//! A prover that shows and hides what it likes of an honest tree, and claims what it likes: whatever the verifier accepts
//! must be true, and must be the one proof that an honest prover makes for these queries.

use super::{critbit, jellyfish};
use crate::critbit::CritBitTree;
use crate::error::ProofError;
use crate::jellyfish::{JellyfishTree, PLACEHOLDER};
use crate::node_hash::node_hash;
use catenary_crypto::Hash;
use proptest::prelude::*;
use std::collections::BTreeMap;

type Content = BTreeMap<Vec<u8>, Vec<u8>>;

/// A tree read back from the proof of all its keys.
enum View<N> {
    Leaf { node: N, key: Vec<u8>, value: Vec<u8> },
    Empty(N),
    Inner { node: N, hash: Hash, children: Box<[View<N>; 2]> },
}

/// What the two kinds of nodes have in common, for this test.
trait Form: Clone + PartialEq + std::fmt::Debug {
    fn opaque(hash: Hash) -> Self;
    fn other(key: &[u8], value: &[u8]) -> Self;
    fn leaf_hash(key: &[u8], value: &[u8]) -> Hash;
    /// `None` if the node is no inner node.
    fn inner_hash(&self, left: Hash, right: Hash) -> Option<Hash>;
    fn is_empty_place(&self) -> bool;
}

impl Form for jellyfish::Node {
    fn opaque(hash: Hash) -> Self {
        Self::Opaque(hash)
    }
    fn other(key: &[u8], value: &[u8]) -> Self {
        Self::Other { path: node_hash(&[key]), value_hash: node_hash(&[value]) }
    }
    fn leaf_hash(key: &[u8], value: &[u8]) -> Hash {
        crate::jellyfish::leaf_hash(&node_hash(&[key]), &node_hash(&[value]))
    }
    fn inner_hash(&self, left: Hash, right: Hash) -> Option<Hash> {
        matches!(self, Self::Inner).then(|| crate::jellyfish::inner_hash(&left, &right))
    }
    fn is_empty_place(&self) -> bool {
        matches!(self, Self::Empty)
    }
}

impl Form for critbit::Node {
    fn opaque(hash: Hash) -> Self {
        Self::Opaque(hash)
    }
    fn other(key: &[u8], value: &[u8]) -> Self {
        Self::Other { key: key.to_vec(), value_hash: node_hash(&[value]) }
    }
    fn leaf_hash(key: &[u8], value: &[u8]) -> Hash {
        crate::critbit::leaf_hash(key, &node_hash(&[value]))
    }
    fn inner_hash(&self, left: Hash, right: Hash) -> Option<Hash> {
        match self {
            Self::Inner { height, size } => Some(crate::critbit::inner_hash(*height, *size, &left, &right)),
            _ => None,
        }
    }
    fn is_empty_place(&self) -> bool {
        false
    }
}

impl<N: Form> View<N> {
    fn read(
        nodes: &mut std::slice::Iter<'_, N>,
        leaves: &mut std::vec::IntoIter<(Vec<u8>, Vec<u8>)>,
    ) -> Self {
        let node = nodes.next().unwrap().clone();
        if node.is_empty_place() {
            return Self::Empty(node);
        }
        if node.inner_hash(PLACEHOLDER, PLACEHOLDER).is_none() {
            let (key, value) = leaves.next().unwrap();
            return Self::Leaf { node, key, value };
        }
        let children = Box::new([Self::read(nodes, leaves), Self::read(nodes, leaves)]);
        let hash = node.inner_hash(children[0].hash(), children[1].hash()).unwrap();
        Self::Inner { node, hash, children }
    }

    fn hash(&self) -> Hash {
        match self {
            Self::Leaf { key, value, .. } => N::leaf_hash(key, value),
            Self::Empty(_) => PLACEHOLDER,
            Self::Inner { hash, .. } => *hash,
        }
    }

    /// Writes the tree with parts of it hidden at random, leaves shown with or without reference to a query.
    fn show(&self, random: &mut impl FnMut(u64) -> u64, hide: u64, nodes: &mut Vec<N>) {
        match self {
            _ if random(100) < hide => nodes.push(N::opaque(self.hash())),
            Self::Empty(node) => nodes.push(node.clone()),
            Self::Leaf { node, key, value } => nodes.push(match random(2) {
                0 => node.clone(),
                _ => N::other(key, value),
            }),
            Self::Inner { node, children, .. } => {
                nodes.push(node.clone());
                children.iter().for_each(|child| child.show(random, hide, nodes));
            }
        }
    }
}

type Verifier<N> = fn(&[N], &[super::Query<'_>]) -> Result<Hash, ProofError>;

/// Tries random proofs and claims against one tree; returns how many were accepted.
fn attack<N: Form>(
    random: &mut impl FnMut(u64) -> u64,
    content: &Content,
    view: &View<N>,
    verify: Verifier<N>,
    honest: impl Fn(&[&[u8]]) -> Vec<N>,
) -> usize {
    let keys: Vec<_> = content.keys().cloned().collect();
    let mut accepted = 0;
    for _ in 0..200 {
        let mut queries = BTreeMap::new();
        for _ in 0..1 + random(3) {
            let mut key = keys[random(keys.len() as u64) as usize].clone();
            if random(2) == 0 {
                *key.last_mut().unwrap() ^= 1 << random(8);
            }
            let truth = content.get(&key).cloned();
            let claim = match random(8) {
                0 => Some(b"forged".to_vec()),
                1 => None,
                _ => truth,
            };
            queries.insert(key, claim);
        }
        let queries: Vec<_> = queries.iter().map(|(key, claim)| (&key[..], claim.as_deref())).collect();
        let asked: Vec<&[u8]> = queries.iter().map(|(key, _)| *key).collect();
        let mut nodes = Vec::new();
        match random(4) {
            0 => nodes = honest(&asked),
            _ => {
                let hide = [5, 20, 50][random(3) as usize];
                view.show(random, hide, &mut nodes);
            }
        }
        if verify(&nodes, &queries) == Ok(view.hash()) {
            accepted += 1;
            for (key, claim) in &queries {
                assert_eq!(*claim, content.get(*key).map(Vec::as_slice), "accepted {nodes:?}");
            }
            assert_eq!(nodes, honest(&asked), "a second proof of the same claims");
        }
    }
    accepted
}

fn packet_key(kind: u8, sequence: u64) -> Vec<u8> {
    [b"bft-client-0", &[kind][..], &sequence.to_be_bytes()].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn nothing_false_is_accepted_and_nothing_twice(
        sequences in proptest::collection::btree_set((1..4_u8, 0..20_u64), 0..12),
        mut seed: u64,
    ) {
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let mut content = Content::from([(vec![0], vec![1])]);
        content.extend(sequences.iter().map(|(kind, at)| (packet_key(*kind, *at), vec![*kind; 32])));
        let batch = || content.iter().map(|(key, value)| (&key[..], Some(&value[..])));
        let keys: Vec<&[u8]> = content.keys().map(Vec::as_slice).collect();

        let mut tree = CritBitTree::new();
        tree.commit(1, batch());
        let all = tree.multiproof(1, &keys).unwrap();
        let leaves: Vec<_> = content.clone().into_iter().collect();
        let view = View::read(&mut all.iter(), &mut leaves.into_iter());
        prop_assert_eq!(Some(view.hash()), tree.root(1));
        let honest = |keys: &[&[u8]]| tree.multiproof(1, keys).unwrap();
        prop_assert!(attack(&mut random, &content, &view, critbit::root, honest) > 0);

        let mut tree = JellyfishTree::new();
        tree.commit(1, batch());
        let all = tree.multiproof(1, &keys).unwrap();
        let leaves: Vec<_> = tree.iter(1).unwrap().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
        let view = View::read(&mut all.iter(), &mut leaves.into_iter());
        prop_assert_eq!(Some(view.hash()), tree.root(1));
        let honest = |keys: &[&[u8]]| tree.multiproof(1, keys).unwrap();
        prop_assert!(attack(&mut random, &content, &view, jellyfish::root, honest) > 0);
    }
}

#[test]
fn a_leaf_out_of_its_place_proves_no_absence() {
    // An adversary commits to a tree whose only two leaves hang on the wrong sides; nobody can be told that a key is
    // absent by a leaf whose hash does not lead there.
    let [(_, low), (path, high)] = {
        let mut keys = [b"key/0", b"key/1"].map(|key| (node_hash(&[key]), key));
        keys.sort();
        keys
    };
    assert!(path.0[0] >= 0x80, "the keys are on different sides of the root");
    let hidden = jellyfish::Node::Opaque(node_hash(&[b"x"]));
    let nodes = [jellyfish::Node::Inner, Form::other(high, b"v"), hidden];
    assert_eq!(jellyfish::root(&nodes, &[(low, None)]), Err(ProofError::Claim));
    let nodes = [jellyfish::Node::Inner, Form::other(&[&low[..], b"0"].concat(), b"v"), hidden];
    let in_place = jellyfish::root(&nodes, &[(low, None)]);
    assert_eq!(in_place.is_ok(), node_hash(&[low, b"0"]).0[0] < 0x80);
}

#[test]
fn a_leaf_cannot_be_read_as_an_inner_node() {
    // With height 0 and size 1 an inner node would hash like the leaf of a 32-byte key and hide that key behind two
    // subtrees. A packet key can be that long.
    let key = [&[b'a'; 23][..], &[1], &7_u64.to_be_bytes()].concat();
    let (leaf, value_hash) = (critbit::Node::leaf_hash(&key, b"value"), node_hash(&[b"value"]));
    let key_as_hash = Hash::from_slice(&key).expect("the key is 32 bytes long");
    assert_eq!(leaf, crate::critbit::inner_hash(0, 1, &key_as_hash, &value_hash));

    let proof = |height: u8, size: u8| {
        let header = [super::FORMAT, super::CRIT_BIT, 0, 0];
        let inner = [super::codec::tag::INNER, height, size];
        let hidden = |hash: Hash| [&[super::codec::tag::OPAQUE][..], &hash.0].concat();
        [&header[..], &inner, &hidden(key_as_hash), &hidden(value_hash)].concat()
    };
    assert!(super::Multiproof::decode(&proof(1, 2)).is_ok());
    for (height, size) in [(0, 1), (0, 2), (1, 1), (1, 0)] {
        let verdict = super::Multiproof::decode(&proof(height, size));
        assert!(matches!(verdict, Err(ProofError::Malformed { .. })), "{height} {size}");
    }
}
