//! Blocks per second, messages, signatures, flushes and memory of 64 groups of four that share one process.
//!
//! `cargo bench -p catenary-store --bench groups`; `-- memory` or `-- fsync` for one variant, a number for another count
//! of groups.
//!
//! Four nodes hold a validator of every group. What they run is what the product runs: the consensus machine, a cache of
//! signatures per node, and batches over all groups of the node that are checked before a machine sees a message. Two
//! threads host two nodes each; nodes share nothing but messages, which are sent as they are, unencoded. A block is an
//! id and a body of 256 bytes. A validator always holds work, so every group goes as fast as the processor lets it.
//!
//! - `memory`: the journal's records are kept in memory until their height is decided, and count as durable at once.
//! - `fsync`: each node has a journal and a guard on the disk, with their threads; a message that needs a signature
//!   leaves, and a block is decided, when record and mark are flushed.
//!
//! A height of a group counts once, when the last of the four nodes has decided it. Memory is what the process holds
//! after the run, less what it held before the nodes were made: machines, caches, channels and the blocks kept for those
//! who fall behind.

mod group;
mod node;
mod storage;

use crossbeam_channel::{Receiver, Sender, unbounded};
use group::Event;
use node::{Counts, Node, Peers};
use std::{
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};
use storage::Storage;

const NODES: usize = 4;
const THREADS: usize = 2;
const GROUPS: usize = 64;
const WARM_UP: Duration = Duration::from_secs(3);
const RUN: Duration = Duration::from_secs(8);
/// What the slowest useful machine must reach with the journal in memory.
const HEIGHTS_PER_SECOND_MIN: u64 = 2_500;

/// An event on its way to a node.
pub(crate) type Envelope = (usize, Event);

/// What one variant keeps its journal in.
#[derive(Clone, Copy, PartialEq)]
enum Variant {
    Memory,
    Fsync,
}

impl Variant {
    fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Fsync => "fsync",
        }
    }
}

/// Resident memory in KiB, where the system tells it.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// Processor time of the process in microseconds, where the system tells it.
fn processor_us() -> u64 {
    let nanos = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace().next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0)
    };
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    tasks.map(|task| nanos(task.path().join("schedstat"))).sum::<u64>() / 1_000
}

/// Figures of all nodes at one moment.
struct Snapshot {
    at: Instant,
    heights: u64,
    messages: u64,
    fsyncs: u64,
    signatures: u64,
    processor_us: u64,
}

impl Snapshot {
    fn take(counts: &[Arc<Counts>], fsyncs: &dyn Fn() -> u64) -> Self {
        let heights = counts.iter().map(|counts| counts.decided.load(Ordering::Relaxed));
        Self {
            at: Instant::now(),
            heights: heights.min().unwrap_or(0),
            messages: counts.iter().map(|counts| counts.messages.load(Ordering::Relaxed)).sum(),
            fsyncs: fsyncs(),
            signatures: catenary_crypto::signatures_verified(),
            processor_us: processor_us(),
        }
    }
}

/// Hosts some nodes on this thread until told to stop.
fn host(mut nodes: Vec<Node>, inbox: &Receiver<Envelope>, stop: &AtomicBool) -> Vec<Node> {
    nodes.iter_mut().for_each(Node::start);
    while !stop.load(Ordering::Relaxed) {
        let patience = nodes.iter().map(Node::patience).min().unwrap_or_default();
        let first = inbox.recv_timeout(patience).ok();
        for (number, event) in first.into_iter().chain(inbox.try_iter()) {
            let node = nodes.iter_mut().find(|node| node.number == number);
            node.expect("events go where their node is").post(event);
        }
        nodes.iter_mut().for_each(Node::turn);
    }
    nodes
}

fn measure(variant: Variant, groups: usize) -> u64 {
    let before_kib = resident_kib();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder on the disk");
    let (senders, inboxes): (Vec<Sender<Envelope>>, Vec<_>) = (0..THREADS).map(|_| unbounded()).unzip();
    let thread_of = |number: usize| number * THREADS / NODES;
    let (mut nodes, genesis_time) = (Vec::new(), node::clock());
    for number in 0..NODES {
        let storage = match variant {
            Variant::Memory => Storage::memory(),
            Variant::Fsync => Storage::disk(&folder.path().join(number.to_string())),
        };
        let peers = Peers::new((0..NODES).map(|peer| senders[thread_of(peer)].clone()).collect());
        nodes.push(Node::new(number, groups, genesis_time, storage, peers));
    }
    let counts: Vec<_> = nodes.iter().map(|node| node.counts.clone()).collect();
    let disks: Vec<_> = nodes.iter().map(|node| node.storage.flush_counter()).collect();
    let fsyncs = || disks.iter().map(|count| count()).sum::<u64>();
    let stop = AtomicBool::new(false);
    let [start, end] = thread::scope(|scope| {
        let mut nodes = nodes.into_iter();
        let hosts: Vec<_> = inboxes
            .iter()
            .map(|inbox| {
                let own = nodes.by_ref().take(NODES / THREADS).collect();
                let stop = &stop;
                scope.spawn(move || host(own, inbox, stop))
            })
            .collect();
        thread::sleep(WARM_UP);
        let start = Snapshot::take(&counts, &fsyncs);
        thread::sleep(RUN);
        let end = Snapshot::take(&counts, &fsyncs);
        let grown_kib = resident_kib().saturating_sub(before_kib);
        println!("{}: {} KiB resident per group of {NODES}", variant.name(), grown_kib / groups as u64);
        stop.store(true, Ordering::Relaxed);
        let nodes: Vec<_> = hosts.into_iter().flat_map(|host| host.join().expect("no host panics")).collect();
        node::check(&nodes);
        [start, end]
    });
    report(variant, &start, &end)
}

/// Prints what happened between two moments; gives heights per second.
fn report(variant: Variant, start: &Snapshot, end: &Snapshot) -> u64 {
    let name = variant.name();
    let millis = (end.at - start.at).as_millis() as u64;
    let heights = (end.heights - start.heights).max(1);
    let rate = heights * 1_000 / millis;
    let per_block = |count: u64| format!("{}.{:02}", count / heights, count % heights * 100 / heights);
    println!("{name}: {rate} heights/s decided by all nodes, {heights} in {millis} ms");
    println!("{name}: {} messages per block and group", per_block(end.messages - start.messages));
    println!("{name}: {} signatures verified per block", per_block(end.signatures - start.signatures));
    println!("{name}: {} us of processor time per block", per_block(end.processor_us - start.processor_us));
    let fsyncs = end.fsyncs - start.fsyncs;
    println!("{name}: {} fsyncs per block, {} per second", per_block(fsyncs), fsyncs * 1_000 / millis);
    rate
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let groups = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(GROUPS);
    let asked = |variant: Variant| arguments.iter().any(|argument| argument == variant.name());
    let all = [Variant::Memory, Variant::Fsync];
    let any = all.into_iter().any(asked);
    println!("{groups} groups of {NODES} on {THREADS} threads");
    let mut slow = false;
    for variant in all.into_iter().filter(|variant| asked(*variant) || !any) {
        let rate = measure(variant, groups);
        slow |= variant == Variant::Memory && rate < HEIGHTS_PER_SECOND_MIN;
    }
    if slow {
        println!("missed: at least {HEIGHTS_PER_SECOND_MIN} heights per second with the journal in memory");
        std::process::exit(1);
    }
}
