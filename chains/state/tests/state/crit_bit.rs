//! The crit-bit tree against its definition, built anew from the content after every random batch.

use crate::common::{Rng, packet_key};
use catenary_crypto::{Hash, sha256};
use catenary_state::CritBitTree;
use std::collections::BTreeMap;

type Content = BTreeMap<Vec<u8>, Vec<u8>>;

fn varint(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}

fn bit(key: &[u8], at: usize) -> bool {
    key.get(at / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1)
}

/// Hash, height and size of the tree over sorted entries: split at the first bit that not all keys share.
fn defined(entries: &[(&Vec<u8>, &Vec<u8>)]) -> (Hash, u64, u64) {
    if let [(key, value)] = entries {
        let bytes = [&[0, 2, 0, key.len() as u8], &key[..], &[32], &sha256(value).0].concat();
        return (sha256(&bytes), 0, 1);
    }
    let (first, last) = (entries[0].0, entries[entries.len() - 1].0);
    let split = (0..).find(|at| bit(first, *at) != bit(last, *at)).unwrap();
    let (left, right) = entries.split_at(entries.partition_point(|(key, _)| !bit(key, split)));
    let ((left, left_height, left_size), (right, right_height, right_size)) = (defined(left), defined(right));
    let (height, size) = (1 + left_height.max(right_height), left_size + right_size);
    let prefix = [&varint(2 * height)[..], &varint(2 * size), &[0, 32]].concat();
    (sha256(&[&prefix[..], &left.0, &[32], &right.0].concat()), height, size)
}

fn root(content: &Content) -> Hash {
    defined(&content.iter().collect::<Vec<_>>()).0
}

fn random_key(rng: &mut Rng, spread: u64) -> Vec<u8> {
    let client =
        ["bft-client-0", "bft-client-1", "bft-client-12", "07-tendermint-0"][rng.within(0..4) as usize];
    let sequence = if rng.within(0..30) == 0 { rng.next() } else { rng.within(0..spread) };
    packet_key(client, rng.within(1..4) as u8, sequence)
}

#[test]
fn roots_and_content_equal_the_definition_over_random_batches() {
    for (seed, spread) in [2, 8, 40, 300, 1_000].into_iter().enumerate() {
        let mut rng = Rng(seed as u64);
        let mut tree = CritBitTree::new();
        let mut versions: BTreeMap<u64, Content> = BTreeMap::new();
        let mut content = Content::from([(vec![0], vec![1])]);
        let mut batch = BTreeMap::from([(vec![0], Some(vec![1]))]);
        for version in 0..150 {
            let actual = tree.commit(version, batch.iter().map(|(key, value)| (&key[..], value.as_deref())));
            assert_eq!(actual, root(&content), "seed {seed}, batch {version}");
            assert_eq!(tree.len(), content.len());
            if version % 10 == 0 {
                tree.check_invariants();
            }
            versions.insert(version, content.clone());

            let oldest = version.saturating_sub(3);
            tree.prune(oldest);
            let old: Content =
                tree.iter(oldest).unwrap().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
            assert_eq!(old, versions[&oldest], "seed {seed}, version {oldest} after {version}");
            assert_eq!(tree.root(oldest), Some(root(&old)));

            let changes = rng.within(0..20);
            let change = |rng: &mut Rng| {
                let value = (rng.within(0..5) > 1).then(|| vec![rng.next() as u8; 32]);
                (random_key(rng, spread), value)
            };
            batch = (0..changes).map(|_| change(&mut rng)).collect();
            for (key, value) in &batch {
                match value {
                    Some(value) => content.insert(key.clone(), value.clone()),
                    None => content.remove(key),
                };
            }
        }
        tree.prune(u64::MAX);
        let stats = tree.stats();
        assert_eq!((stats.leaf_nodes, stats.inner_nodes), (stats.leaves, stats.leaves - 1), "all recycled");
    }
}
