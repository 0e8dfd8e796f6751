//! Random leaf updates per second in a Jellyfish tree of a million leaves, on one core, and memory per leaf.
//!
//! `cargo bench -p catenary-state`; `-- LEAVES` for another size. Each update takes a 24-byte key and a 16-byte value,
//! hashes both, and belongs to a batch that ends with a new root; ten versions stay readable, older ones are pruned.
//! A plain harness: a figure is a rate over seconds of steady work, by the clock and by processor time, which other
//! work on the machine distorts less.

use catenary_state::{CritBitTree, JellyfishTree};
use std::time::{Duration, Instant};

const VERSIONS_KEPT: u64 = 10;
const LEAVES: u64 = 1_000_000;
const RUN: Duration = Duration::from_secs(4);

/// SplitMix64.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

fn account_key(number: u64) -> [u8; 24] {
    let mut key = *b"balance/00000000/account";
    key[8..16].copy_from_slice(&number.to_be_bytes());
    key
}

fn packet_key(kind: u8, sequence: u64) -> Vec<u8> {
    [b"bft-client-0", &[kind][..], &sequence.to_be_bytes()].concat()
}

type Batch<K> = Vec<(K, [u8; 16])>;

fn changes<K: AsRef<[u8]>>(batch: &Batch<K>) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    batch.iter().map(|(key, value)| (key.as_ref(), Some(&value[..])))
}

/// Resident memory in KiB, where the system tells it.
fn resident_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// Time spent, by the clock and by the processor.
#[derive(Clone, Copy, Default)]
struct Spent {
    wall: Duration,
    processor: Duration,
}

impl Spent {
    /// Adds the time that `work` takes.
    fn on<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let (wall, processor) = (Instant::now(), processor_time());
        let result = work();
        self.wall += wall.elapsed();
        self.processor += processor_time().saturating_sub(processor);
        result
    }

    fn rate(&self, count: u64) -> String {
        let per_second = |time: Duration| u128::from(count) * 1_000_000 / time.as_micros().max(1);
        format!("{:>7}/s ({:>7}/s of processor time)", per_second(self.wall), per_second(self.processor))
    }
}

/// Processor time of this thread, where the system tells it.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split_whitespace().next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}

fn filled(leaves: u64) -> (JellyfishTree, u64) {
    let before = resident_kib();
    let mut tree = JellyfishTree::new();
    let numbers: Vec<u64> = (0..leaves).collect();
    let (mut spent, mut version) = (Spent::default(), 0);
    for part in numbers.chunks(10_000) {
        version += 1;
        let batch: Batch<_> =
            part.iter().map(|number| (account_key(*number), [*number as u8 | 1; 16])).collect();
        spent.on(|| {
            tree.commit(version, changes(&batch));
            tree.prune(version);
        });
    }
    let stats = tree.stats();
    println!("fill: {leaves} leaves, {} in batches of 10000", spent.rate(leaves));
    println!("memory: {} bytes per leaf in nodes, keys and values", stats.bytes as u64 / leaves);
    println!("        {} inner nodes per 100 leaves", stats.inner_nodes as u64 * 100 / leaves);
    if let (Some(before), Some(after)) = (before, resident_kib()) {
        let grown = (after - before) * 1024;
        println!("        {} bytes per leaf resident, allocator included", grown / leaves);
    }
    (tree, version)
}

fn jellyfish(leaves: u64) {
    let (mut tree, mut version) = filled(leaves);
    let mut rng = Rng(1);
    for size in [100, 1_000, 10_000] {
        let (mut updates, mut spent) = (0, Spent::default());
        while spent.wall < RUN {
            let batch: Batch<_> = (0..size)
                .map(|_| (account_key(rng.next() % leaves), u128::from(rng.next()).to_be_bytes()))
                .collect();
            version += 1;
            spent.on(|| {
                tree.commit(version, changes(&batch));
                tree.prune(version.saturating_sub(VERSIONS_KEPT - 1));
            });
            updates += size;
        }
        println!("jellyfish: {} updates in batches of {size}", spent.rate(updates));
    }
    let (mut spent, reads) = (Spent::default(), 1_000_000);
    let mut is_there = || tree.get(&account_key(rng.next() % leaves)).is_some();
    let found = spent.on(|| (0..reads).filter(|_| is_there()).count());
    assert_eq!(found as u64, reads);
    println!("jellyfish: {} reads of random keys", spent.rate(reads));
}

fn crit_bit(leaves: u64) {
    let mut tree = CritBitTree::new();
    let (mut version, mut sequence) = (0, 0);
    for size in [100, 1_000] {
        let (first, mut spent) = (sequence, Spent::default());
        for _ in 0..leaves / 4 / size {
            let keys = (sequence..sequence + size).flat_map(|at| [packet_key(2, at), packet_key(3, at)]);
            let batch: Batch<_> = keys.map(|key| (key, [2; 16])).collect();
            version += 1;
            sequence += size;
            spent.on(|| {
                tree.commit(version, changes(&batch));
                tree.prune(version);
            });
        }
        let rate = spent.rate(sequence - first);
        println!("crit-bit:  {rate} packets (receipt and acknowledgement) in batches of {size}");
    }
    let stats = tree.stats();
    println!("crit-bit:  {} leaves, {} bytes each", stats.leaves, stats.bytes / stats.leaves);
}

fn main() {
    // Cargo passes `--bench`; the first number is the count of leaves.
    let leaves = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(LEAVES);
    jellyfish(leaves);
    crit_bit(leaves);
}
