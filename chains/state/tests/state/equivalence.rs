//! Both proof encodings against the truth: they accept exactly what the state holds, whatever the query claims, and
//! nothing once a proof is altered.

use crate::common::{Rng, packet_key};
use catenary_crypto::Hash;
use catenary_state::{
    Changes, CommitmentProof, Multiproof, Multistore, ProofError, Query, StoreKind, StoreName, TreeKind,
    decode_merkle_proof, encode_merkle_proof, verify_membership, verify_non_membership,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const IBC: StoreName = StoreName::new("ibc");
const ASSET: StoreName = StoreName::new("asset");
const STORES: [(StoreName, TreeKind); 2] = [(IBC, TreeKind::CritBit), (ASSET, TreeKind::Jellyfish)];

type Content = BTreeMap<Vec<u8>, Vec<u8>>;

/// A chain with random content: some keys were written and deleted again, the sentinel is in every store.
struct World {
    state: Multistore,
    app_hash: Hash,
    version: u64,
}

impl World {
    fn new(rng: &mut Rng, keys: u64) -> Self {
        let kinds = [
            (IBC, StoreKind::CritBit),
            (ASSET, StoreKind::IndexedJellyfish),
            (StoreName::new("clients"), StoreKind::Jellyfish),
            (StoreName::new("replay"), StoreKind::External),
            (StoreName::new("index"), StoreKind::Jellyfish),
        ];
        let mut state = Multistore::new(&kinds).unwrap();
        let mut app_hash = Hash::default();
        for version in 1..=3 {
            let mut changes = Changes::default();
            for _ in 0..rng.within(0..keys + 1) {
                for (store, key) in [(IBC, random_packet(rng)), (ASSET, random_account(rng))] {
                    match rng.within(0..4) {
                        0 => changes.delete(store, key),
                        value => changes.put(store, key, [value as u8; 32]),
                    }
                }
            }
            app_hash = state.commit(version, &changes).unwrap();
        }
        state.check_invariants();
        Self { state, app_hash, version: 3 }
    }

    fn content(&self, store: StoreName) -> Content {
        let entries = self.state.iter_store(self.version, store).unwrap();
        entries.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
    }

    fn single(&self, store: StoreName, key: &[u8]) -> [CommitmentProof; 2] {
        self.state.prove(self.version, store, key).unwrap()
    }

    fn multi(&self, store: StoreName, keys: &[&[u8]]) -> Multiproof {
        self.state.multiproof(self.version, store, keys).unwrap()
    }
}

fn random_packet(rng: &mut Rng) -> Vec<u8> {
    let clients = ["bft-client-0", "bft-client-1", "bft-client-10", "07-tendermint-7"];
    let sequence = if rng.within(0..20) == 0 { rng.next() } else { rng.within(1..30) };
    packet_key(clients[rng.within(0..4) as usize], rng.within(1..4) as u8, sequence)
}

fn random_account(rng: &mut Rng) -> Vec<u8> {
    format!("balance/{}", rng.within(0..60)).into_bytes()
}

/// Keys of the store, keys near them, and keys of any form.
fn interesting_key(rng: &mut Rng, store: StoreName, content: &Content) -> Vec<u8> {
    let known = content.keys().nth(rng.within(0..content.len() as u64) as usize).unwrap().clone();
    match rng.within(0..7) {
        0 | 1 => known,
        2 => [&known[..], &[rng.next() as u8]].concat(),
        3 => known[..known.len() - 1].iter().copied().chain([rng.next() as u8]).collect(),
        4 => vec![rng.next() as u8; rng.within(1..40) as usize],
        _ if store == IBC => random_packet(rng),
        _ => random_account(rng),
    }
}

fn verify_single(
    world: &World,
    (store, tree): (StoreName, TreeKind),
    key: &[u8],
    value: Option<&[u8]>,
    proofs: &[CommitmentProof; 2],
) -> Result<(), ProofError> {
    match value {
        Some(value) => verify_membership(&world.app_hash, store.as_str(), tree, key, value, proofs),
        None => verify_non_membership(&world.app_hash, store.as_str(), tree, key, proofs),
    }
}

/// What might be claimed of a key: its value, another one, none.
fn claims(truth: Option<&Vec<u8>>) -> Vec<Option<Vec<u8>>> {
    let mut other = truth.cloned().unwrap_or_else(|| vec![1; 32]);
    other[0] ^= 1;
    let mut claims = vec![None, Some(other)];
    claims.extend(truth.cloned().map(Some));
    claims
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// The proof that is made for a key decides every claim about it, in both encodings alike.
    #[test]
    fn both_encodings_accept_the_truth_and_nothing_else(seed: u64, keys in 0_u64..60) {
        let rng = &mut Rng(seed);
        let world = World::new(rng, keys);
        for (store, tree) in STORES {
            let content = world.content(store);
            for _ in 0..8 {
                let key = interesting_key(rng, store, &content);
                let truth = content.get(&key);
                let single = world.single(store, &key);
                let multi = world.multi(store, &[&key]);
                for claim in claims(truth) {
                    let single = verify_single(&world, (store, tree), &key, claim.as_deref(), &single);
                    let query = [(&key[..], claim.as_deref())];
                    let multi = multi.verify(&world.app_hash, store.as_str(), tree, &query);
                    prop_assert_eq!(single.is_ok(), claim.as_ref() == truth, "{:?} {:?}", key, single);
                    prop_assert_eq!(multi.is_ok(), claim.as_ref() == truth, "{:?} {:?}", key, multi);
                }
            }
        }
    }

    /// Many keys at once: accepted as they are, refused if one claim is wrong, missing or added.
    #[test]
    fn a_multiproof_of_many_keys_shows_all_of_them_and_no_other(seed: u64, keys in 0_u64..60) {
        let rng = &mut Rng(seed);
        let world = World::new(rng, keys);
        for (store, tree) in STORES {
            let content = world.content(store);
            let asked: BTreeSet<Vec<u8>> =
                (0..rng.within(1..30)).map(|_| interesting_key(rng, store, &content)).collect();
            let asked: Vec<&[u8]> = asked.iter().map(Vec::as_slice).collect();
            let proof = world.multi(store, &asked);
            let bytes = proof.encode();
            prop_assert_eq!(Multiproof::decode(&bytes), Ok(proof.clone()));
            let verify = |queries: &[Query<'_>]| proof.verify(&world.app_hash, store.as_str(), tree, queries);
            let truth: Vec<_> = asked.iter().map(|key| (*key, content.get(*key).map(Vec::as_slice))).collect();
            prop_assert_eq!(verify(&truth), Ok(()));

            let mut shuffled = truth.clone();
            shuffled.rotate_left(rng.within(0..truth.len() as u64) as usize);
            prop_assert_eq!(verify(&shuffled), Ok(()));
            let at = rng.within(0..truth.len() as u64) as usize;
            for claim in claims(content.get(asked[at])) {
                let mut queries = truth.clone();
                queries[at].1 = claim.as_deref();
                prop_assert_eq!(verify(&queries).is_ok(), queries == truth);
            }
            let mut repeated = truth.clone();
            repeated.push(truth[at]);
            prop_assert_eq!(verify(&repeated), Err(ProofError::Query));
        }
    }

    /// A proof made for one set of keys never shows a falsehood about another set.
    #[test]
    fn a_multiproof_for_other_keys_shows_nothing_false(seed: u64, keys in 0_u64..40) {
        let rng = &mut Rng(seed);
        let world = World::new(rng, keys);
        for (store, tree) in STORES {
            let content = world.content(store);
            let asked: Vec<_> = (0..4).map(|_| interesting_key(rng, store, &content)).collect();
            let proof = world.multi(store, &asked.iter().map(Vec::as_slice).collect::<Vec<_>>());
            for _ in 0..20 {
                let key = interesting_key(rng, store, &content);
                for claim in claims(content.get(&key)) {
                    let query = [(&key[..], claim.as_deref())];
                    if proof.verify(&world.app_hash, store.as_str(), tree, &query).is_ok() {
                        prop_assert_eq!(claim.as_ref(), content.get(&key));
                    }
                }
            }
        }
    }

    /// No byte of an encoded proof can be altered, cut off or added.
    #[test]
    fn altered_proofs_are_refused(seed: u64, keys in 0_u64..60) {
        let rng = &mut Rng(seed);
        let world = World::new(rng, keys);
        for (store, tree) in STORES {
            let content = world.content(store);
            let key = interesting_key(rng, store, &content);
            let truth = content.get(&key).map(Vec::as_slice);
            let single = encode_merkle_proof(&world.single(store, &key));
            let multi = world.multi(store, &[&key]).encode();
            for _ in 0..40 {
                if let Ok(proofs) = decode_merkle_proof(&altered(rng, &single)) {
                    let verdict = verify_single(&world, (store, tree), &key, truth, &proofs);
                    prop_assert!(verdict.is_err(), "{:?}", proofs);
                }
                if let Ok(proof) = Multiproof::decode(&altered(rng, &multi)) {
                    let verdict = proof.verify(&world.app_hash, store.as_str(), tree, &[(&key, truth)]);
                    prop_assert!(verdict.is_err(), "{:?}", proof);
                }
            }
        }
    }

    /// Arbitrary bytes, and arbitrary bytes behind a good beginning, are read or refused, never more.
    #[test]
    fn decoders_are_total(seed: u64, bytes: Vec<u8>) {
        let rng = &mut Rng(seed);
        let world = World::new(rng, 10);
        let key = random_packet(rng);
        let whole = world.multi(IBC, &[&key]).encode();
        let good = &whole[..rng.within(0..whole.len() as u64) as usize];
        for bytes in [&bytes[..], &[good, &bytes].concat(), &[&[1, 1, 0, 0], &bytes[..]].concat()] {
            if let Ok(proof) = Multiproof::decode(bytes) {
                prop_assert_eq!(proof.encode(), bytes);
                let verdict = proof.verify(&world.app_hash, "ibc", TreeKind::CritBit, &[(&key, None)]);
                prop_assert!(verdict.is_err() || bytes == whole);
            }
            if let Ok(proofs) = decode_merkle_proof(bytes) {
                prop_assert_eq!(encode_merkle_proof(&proofs), bytes);
            }
        }
    }
}

/// The bytes with a bit flipped, a byte removed or added, the end cut off, or two parts exchanged; never the same.
fn altered(rng: &mut Rng, bytes: &[u8]) -> Vec<u8> {
    loop {
        let mut copy = bytes.to_vec();
        let at = rng.within(0..bytes.len() as u64) as usize;
        match rng.within(0..6) {
            0 | 1 => copy[at] ^= 1 << rng.within(0..8),
            2 => drop(copy.remove(at)),
            3 => copy.insert(at, rng.next() as u8),
            4 => copy.truncate(at),
            _ => {
                let length = rng.within(1..40).min((bytes.len() - at) as u64) as usize;
                let to = rng.within(0..(bytes.len() - length + 1) as u64) as usize;
                let part = copy[at..at + length].to_vec();
                copy[to..to + length].copy_from_slice(&part);
            }
        }
        if copy != bytes {
            return copy;
        }
    }
}

#[test]
fn neighbours_with_one_path_are_refused_where_the_stock_verifier_panics() {
    let rng = &mut Rng(7);
    let world = World::new(rng, 50);
    let key = packet_key("bft-client-1", 2, 1 << 40);
    let mut proofs = world.single(IBC, &key);
    let Some(ics23::commitment_proof::Proof::Nonexist(absent)) = &mut proofs[0].proof else {
        panic!("not an absence proof")
    };
    absent.right = absent.left.clone();
    let verdict = verify_single(&world, (IBC, TreeKind::CritBit), &key, None, &proofs);
    assert_eq!(verdict, Err(ProofError::Shape));
}
