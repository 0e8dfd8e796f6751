//! The store of stores: versions, errors, scans, checkpoints, stores that come later.

use crate::common::{Rng, packet_key};
use catenary_crypto::{empty_root, sha256};
use catenary_state::limits::{KEY_BYTES_MAX, STORES_MAX, VALUE_BYTES_MAX};
use catenary_state::{Changes, Multistore, SENTINEL_KEY, SENTINEL_VALUE, StateError, StoreKind, StoreName};

const IBC: StoreName = StoreName::new("ibc");
const ASSET: StoreName = StoreName::new("asset");
const INDEX: StoreName = StoreName::new("index");
const REPLAY: StoreName = StoreName::new("replay");
const KINDS: [(StoreName, StoreKind); 4] = [
    (REPLAY, StoreKind::External),
    (IBC, StoreKind::CritBit),
    (ASSET, StoreKind::IndexedJellyfish),
    (INDEX, StoreKind::Jellyfish),
];

fn put(store: StoreName, key: &[u8], value: &[u8]) -> Changes {
    let mut changes = Changes::default();
    changes.put(store, key, value);
    changes
}

#[test]
fn versions_stay_readable_until_they_are_pruned() {
    let mut state = Multistore::new(&KINDS).unwrap();
    let key = packet_key("bft-client-0", 1, 1);
    for version in 1..=5_u8 {
        let mut changes = put(ASSET, b"balance", &[version]);
        changes.put(IBC, key.clone(), [version; 32]);
        state.commit(version.into(), &changes).unwrap();
    }
    let mut changes = Changes::default();
    changes.delete(ASSET, *b"balance");
    state.commit(9, &changes).unwrap();
    for version in 1..=5_u8 {
        assert_eq!(state.get_at(version.into(), ASSET, b"balance"), Ok(Some(&[version][..])));
        assert_eq!(state.get_at(version.into(), IBC, &key), Ok(Some(&[version; 32][..])));
    }
    assert_eq!(state.get(ASSET, b"balance"), Ok(None));
    assert_eq!(state.get_at(7, ASSET, b"balance"), Err(StateError::UnknownVersion { version: 7 }));

    state.prune(4);
    assert_eq!(state.versions().collect::<Vec<_>>(), [4, 5, 9]);
    assert_eq!(state.get_at(3, ASSET, b"balance"), Err(StateError::UnknownVersion { version: 3 }));
    assert_eq!(state.get_at(4, ASSET, b"balance"), Ok(Some(&[4][..])));
    assert!(state.prove(3, ASSET, b"balance").is_err() && state.prove(4, ASSET, b"balance").is_ok());
    state.prune(u64::MAX);
    assert_eq!(state.versions().collect::<Vec<_>>(), [9]);
    state.check_invariants();
}

#[test]
fn what_a_store_must_not_take_changes_nothing() {
    let mut state = Multistore::new(&KINDS).unwrap();
    let root = state.commit(1, &Changes::default()).unwrap();
    let mut delete_sentinel = Changes::default();
    delete_sentinel.delete(ASSET, SENTINEL_KEY);
    let mut to_external = Changes::default();
    to_external.external_roots.insert(ASSET, root);
    let length = |actual, limit| StateError::Length { name: ASSET, actual, limit };
    let refused = [
        (put(ASSET, b"", b"v"), length(0, KEY_BYTES_MAX)),
        (put(ASSET, b"k", b""), length(0, VALUE_BYTES_MAX)),
        (put(ASSET, &[1; KEY_BYTES_MAX + 1], b"v"), length(KEY_BYTES_MAX + 1, KEY_BYTES_MAX)),
        (put(ASSET, b"k", &[1; VALUE_BYTES_MAX + 1]), length(VALUE_BYTES_MAX + 1, VALUE_BYTES_MAX)),
        (put(ASSET, SENTINEL_KEY, b"2"), StateError::Sentinel { name: ASSET }),
        (delete_sentinel, StateError::Sentinel { name: ASSET }),
        (put(IBC, b"balance", b"v"), StateError::NotPacketKey { name: IBC, length: 7 }),
        (put(REPLAY, b"k", b"v"), StateError::StoreKind { name: REPLAY }),
        (to_external, StateError::StoreKind { name: ASSET }),
    ];
    for (mut changes, error) in refused {
        changes.put(INDEX, *b"other", *b"store");
        assert_eq!(state.commit(2, &changes), Err(error));
        assert_eq!(state.get(INDEX, b"other"), Ok(None));
    }
    let unknown = StoreName::new("unknown");
    let error = StateError::UnknownStore { name: unknown };
    assert_eq!(state.commit(2, &put(unknown, b"k", b"v")), Err(error.clone()));
    assert_eq!(state.get(unknown, b"k"), Err(error));
    for version in [0, 1] {
        let error = StateError::VersionOrder { latest: 1, actual: version };
        assert_eq!(state.commit(version, &Changes::default()), Err(error));
    }
    assert_eq!(state.commit(2, &Changes::default()), Ok(root), "an empty commit keeps the root");
}

#[test]
fn keys_of_the_longest_allowed_size_are_proven_and_read_back() {
    let mut state = Multistore::new(&KINDS).unwrap();
    let (key, value) = (vec![0xff; KEY_BYTES_MAX], vec![7; VALUE_BYTES_MAX]);
    let root = state.commit(1, &put(ASSET, &key, &value)).unwrap();
    let proofs = state.prove(1, ASSET, &key).unwrap();
    let bytes = catenary_state::encode_merkle_proof(&proofs);
    let proofs = catenary_state::decode_merkle_proof(&bytes).unwrap();
    let tree = catenary_state::TreeKind::Jellyfish;
    assert_eq!(catenary_state::verify_membership(&root, "asset", tree, &key, &value, &proofs), Ok(()));
}

#[test]
fn scans_are_ordered_and_leave_the_sentinel_out() {
    let mut state = Multistore::new(&KINDS).unwrap();
    let mut changes = Changes::default();
    for name in ["b", "a/2", "a/1", "a", "aa", "c"] {
        changes.put(ASSET, name, name);
    }
    for (client, kind, sequence) in
        [("bft-client-1", 1, 9), ("bft-client-1", 1, 300), ("bft-client-1", 2, 1), ("bft-client-10", 1, 1)]
    {
        changes.put(IBC, packet_key(client, kind, sequence), [1]);
    }
    state.commit(1, &changes).unwrap();
    let mut changes = Changes::default();
    changes.delete(ASSET, *b"a/1");
    state.commit(2, &changes).unwrap();

    let scan = |prefix: &[u8]| -> Vec<Vec<u8>> {
        state.scan(ASSET, prefix).unwrap().map(|(key, _)| key.to_vec()).collect()
    };
    assert_eq!(scan(b"a"), [&b"a"[..], b"a/2", b"aa"]);
    assert_eq!(scan(b"a/"), [b"a/2"]);
    assert_eq!(scan(b"").len(), 5);
    assert_eq!(scan(b"d"), Vec::<Vec<u8>>::new());
    let prefix = [&b"bft-client-1"[..], &[1]].concat();
    let packets: Vec<_> = state.scan(IBC, &prefix).unwrap().map(|(key, _)| key.to_vec()).collect();
    assert_eq!(packets, [packet_key("bft-client-1", 1, 9), packet_key("bft-client-1", 1, 300)]);
    assert_eq!(state.scan(IBC, b"").unwrap().count(), 4);
    assert_eq!(state.scan(IBC, b"zzz").unwrap().count(), 0);
    for store in [INDEX, REPLAY] {
        assert_eq!(state.scan(store, b"").err(), Some(StateError::StoreKind { name: store }));
    }
}

#[test]
fn a_checkpoint_restores_the_root_whatever_the_history_was() {
    let mut rng = Rng(11);
    let mut state = Multistore::new(&KINDS).unwrap();
    for version in 1..=60 {
        let mut changes = Changes::default();
        for _ in 0..40 {
            let key = packet_key("bft-client-0", rng.within(1..4) as u8, rng.within(0..200));
            match rng.within(0..3) {
                0 => changes.delete(IBC, key),
                value => changes.put(IBC, key, [value as u8]),
            }
            changes.put(ASSET, rng.within(0..500).to_string(), rng.next().to_string());
        }
        changes.external_roots.insert(REPLAY, sha256(&[version as u8]));
        state.commit(version, &changes).unwrap();
        state.prune(version - 1);
    }
    state.check_invariants();

    let mut restored = Multistore::new(&KINDS).unwrap();
    let mut changes = Changes::default();
    for store in [IBC, ASSET, INDEX] {
        let entries: Vec<_> = state.iter_store(60, store).unwrap().collect();
        assert!(entries.contains(&(SENTINEL_KEY, SENTINEL_VALUE)));
        entries.iter().for_each(|(key, value)| changes.put(store, *key, *value));
    }
    let roots = state.store_roots(60).unwrap();
    let replay = roots.iter().find(|(name, _)| *name == REPLAY).unwrap().1;
    changes.external_roots.insert(REPLAY, replay);
    assert_eq!(restored.commit(60, &changes), state.root(60));
    restored.check_invariants();
}

#[test]
fn a_store_that_comes_later_changes_only_later_roots() {
    let mut state = Multistore::new(&KINDS[..3]).unwrap();
    let before = state.commit(1, &put(ASSET, b"k", b"v")).unwrap();
    state.add_store(INDEX, StoreKind::Jellyfish).unwrap();
    assert_eq!(state.root(1), Ok(before));
    let after = state.commit(2, &Changes::default()).unwrap();
    assert_ne!(after, before);
    assert_eq!(state.get_at(1, INDEX, SENTINEL_KEY), Err(StateError::UnknownStore { name: INDEX }));
    assert_eq!(state.get_at(2, INDEX, SENTINEL_KEY), Ok(Some(SENTINEL_VALUE)));

    let mut at_once = Multistore::new(&KINDS).unwrap();
    assert_eq!(at_once.commit(1, &put(ASSET, b"k", b"v")), Ok(after), "a root follows from the content");
    let names: Vec<_> = state.store_roots(2).unwrap().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["asset", "ibc", "index", "replay"]);
    assert_eq!(state.store_roots(2).unwrap()[3].1, empty_root());
}

#[test]
fn names_are_bounded_and_unique() {
    let mut state = Multistore::new(&KINDS).unwrap();
    for name in ["", "ibc", "a-name-that-is-longer-than-the-sixty-four-bytes-which-are-allowed"] {
        let name = StoreName::new(name);
        assert_eq!(state.add_store(name, StoreKind::Jellyfish), Err(StateError::StoreName { name }));
    }
    let names: Vec<&'static str> =
        (0..STORES_MAX).map(|number| &*Box::leak(format!("s{number:03}").into_boxed_str())).collect();
    let kinds: Vec<_> = names.iter().map(|name| (StoreName::new(name), StoreKind::Jellyfish)).collect();
    let mut full = Multistore::new(&kinds).unwrap();
    let error = StateError::TooManyStores { limit: STORES_MAX };
    assert_eq!(full.add_store(IBC, StoreKind::CritBit), Err(error));
    let root = full.commit(1, &Changes::default()).unwrap();
    let last = StoreName::new(names[STORES_MAX - 1]);
    let proof = full.multiproof(1, last, &[b"absent"]).unwrap();
    let tree = catenary_state::TreeKind::Jellyfish;
    assert_eq!(proof.verify(&root, last.as_str(), tree, &[(b"absent", None)]), Ok(()));
}

#[test]
fn the_state_can_move_to_another_thread() {
    fn assert_send<T: Send + 'static>(_: &T) {}
    assert_send(&Multistore::new(&KINDS).unwrap());
}
