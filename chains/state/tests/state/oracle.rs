//! The Jellyfish tree against the `jmt` crate: the same roots and the same ICS-23 proofs, bit by bit, over ten thousand
//! random batches of inserts, updates and deletes.

use crate::common::Rng;
use catenary_state::JellyfishTree;
use jmt::mock::MockTreeStore;
use jmt::{KeyHash, Sha256Jmt};
use prost013::Message;
use std::collections::BTreeMap;

type Batch = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// `jmt`, one batch after the other.
struct Oracle {
    store: MockTreeStore,
    next: u64,
}

impl Oracle {
    fn commit(&mut self, batch: &Batch) -> [u8; 32] {
        let changes = batch.iter().map(|(key, value)| {
            let hash = KeyHash::with::<sha2::Sha256>(key);
            self.store.put_key_preimage(hash, key);
            (hash, value.clone())
        });
        let changes: Vec<_> = changes.collect();
        let (root, update) = Sha256Jmt::new(&self.store).put_value_set(changes, self.next).unwrap();
        self.store.write_tree_update_batch(update).unwrap();
        self.next += 1;
        root.0
    }

    fn prove(&self, key: &[u8]) -> Vec<u8> {
        let tree = Sha256Jmt::new(&self.store);
        let (_, proof) = tree.get_with_ics23_proof(key.to_vec(), self.next - 1).unwrap();
        proof.encode_to_vec()
    }
}

fn random_batch(rng: &mut Rng, keys: u64) -> Batch {
    let changes = rng.within(0..25);
    (0..changes)
        .map(|_| {
            let key = format!("key/{}", rng.within(0..keys)).into_bytes();
            let value = (rng.within(0..3) > 0).then(|| rng.next().to_be_bytes().to_vec());
            (key, value)
        })
        .collect()
}

/// Runs `batches` batches over a pool of `keys` keys and keeps `kept` versions readable.
fn run(seed: u64, batches: u64, keys: u64, kept: u64) {
    let mut rng = Rng(seed);
    let mut oracle = Oracle { store: MockTreeStore::default(), next: 0 };
    let mut ours = JellyfishTree::with_key_index();
    let mut content = BTreeMap::new();
    let mut roots = Vec::new();
    for version in 0..batches {
        let batch = random_batch(&mut rng, keys);
        let root = ours.commit(version, batch.iter().map(|(key, value)| (&key[..], value.as_deref())));
        assert_eq!(root.0, oracle.commit(&batch), "seed {seed}, batch {version}");
        roots.push(root);
        for (key, value) in batch {
            match value {
                Some(value) => content.insert(key, value),
                None => content.remove(&key),
            };
        }
        assert_eq!(ours.len(), content.len(), "seed {seed}, batch {version}");
        let key = format!("key/{}", rng.within(0..keys + 5)).into_bytes();
        assert_eq!(ours.get(&key), content.get(&key).map(Vec::as_slice));
        if !content.is_empty() {
            let proof = ours.prove(version, &key).unwrap().encode_to_vec();
            assert_eq!(proof, oracle.prove(&key), "seed {seed}, batch {version}");
        }
        ours.prune((version + 1).saturating_sub(kept));
        let oldest = (version + 1).saturating_sub(kept);
        assert_eq!(ours.root(oldest), Some(roots[oldest as usize]));
        assert!(oldest == 0 || ours.root(oldest - 1).is_none());
    }
    ours.check_invariants();
    let scanned: BTreeMap<_, _> =
        ours.scan(b"key/").unwrap().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
    assert_eq!(scanned, content);
    ours.prune(u64::MAX);
    let stats = ours.stats();
    assert_eq!(stats.leaf_nodes, stats.leaves, "every replaced leaf was recycled");
    assert!(stats.inner_nodes <= 3 * stats.leaves, "every replaced inner node was recycled");
}

#[test]
fn roots_and_proofs_equal_those_of_jmt_over_ten_thousand_batches() {
    for (seed, keys) in [3, 10, 40, 150, 600, 600, 2_000, 2_000, 10_000, 100_000].into_iter().enumerate() {
        run(seed as u64, 1_000, keys, 1 + seed as u64 % 4);
    }
}
