//! How long a lone transaction takes from submission to final, on an idle group of four.
//!
//! `cargo bench -p catenary-system --bench lone`; `-- TRANSACTIONS` for another count. Four nodes of one process, each
//! with its folder under `TMPDIR`, which should be on a disk. Transactions go in one after the other, at each node in
//! turn, when the block that sealed the one before is final everywhere and the group has been quiet for a while. Between
//! them the time is taken of an append of 4 KiB and its flush to a file beside a node's folder.
//!
//! The goal is 3 flushes and 3 ms at the median. Fails if it is missed.

use catenary_crypto::sha256;
use catenary_relay::gateway::SubmitOutcome;
use catenary_runtime::now;
use catenary_system::testing::{Bank, Group, run, soon};
use catenary_types::Height;
use std::{
    fs::File,
    io::Write,
    time::{Duration, Instant},
};
use tokio::time::sleep;

const VALIDATORS: usize = 4;
const TRANSACTIONS: u64 = 200;
/// Transactions that are not counted: the first ones make files and fill caches.
const WARM_UP: u64 = 10;
/// How long the group is quiet before each transaction.
const QUIET: Duration = Duration::from_millis(30);
const FLUSHES_MAX: u32 = 3;
const BESIDES_MAX: Duration = Duration::from_millis(3);

/// Durations, in order.
struct Sample(Vec<Duration>);

impl Sample {
    fn new(mut durations: Vec<Duration>) -> Self {
        durations.sort();
        Self(durations)
    }

    fn percentile(&self, percent: usize) -> Duration {
        self.0[(self.0.len() * percent / 100).min(self.0.len() - 1)]
    }

    fn print(&self, what: &str) {
        let [p10, p50, p90, p99] = [10, 50, 90, 99].map(|percent| self.percentile(percent).as_micros());
        println!("{what}: p10 {p10}, p50 {p50}, p90 {p90}, p99 {p99} us of {}", self.0.len());
    }
}

/// Appends 4 KiB to a file and waits until they are on the disk.
fn flush(file: &mut File, number: u64) -> Duration {
    let bytes = sha256(&number.to_be_bytes()).0.repeat(128);
    let start = Instant::now();
    file.write_all(&bytes).expect("the disk has room");
    file.sync_data().expect("the disk works");
    start.elapsed()
}

/// Submits a transaction at an idle group's node and waits there until it is final.
async fn submit(group: &Group, node: usize, envelope: Vec<u8>) -> (Duration, Height) {
    let chain = group.node(node).chains()[0].clone();
    let height = chain.status().await.expect("the chain runs").height.next();
    let start = Instant::now();
    let outcomes = chain.submit(vec![envelope]).await.expect("the chain runs");
    let [SubmitOutcome::Accepted(tx_id)] = outcomes[..] else { panic!("not accepted: {outcomes:?}") };
    let block = soon(chain.final_block(height)).await.expect("the chain runs");
    let took = start.elapsed();
    let receipt = block.receipts.iter().find(|receipt| receipt.tx_id == tx_id);
    assert!(receipt.is_some_and(|receipt| receipt.succeeded()), "an idle group takes it into the next block");
    (took, height)
}

async fn measure(transactions: u64) -> (Sample, Sample) {
    let bank = Bank::with_validators(VALIDATORS, "lone", now());
    let group = Group::start(std::slice::from_ref(&bank)).await;
    let path = group.folder(0).with_extension("flush");
    let mut file = File::create(&path).expect("a file beside the node's folder");
    let (mut finals, mut flushes) = (Vec::new(), Vec::new());
    for number in 0..WARM_UP + transactions {
        let (took, height) =
            submit(&group, number as usize % VALIDATORS, bank.envelope(1_000 + number)).await;
        for node in 0..VALIDATORS {
            let chain = group.node(node).chains()[0].clone();
            soon(chain.final_block(height.next())).await.expect("the chain runs");
        }
        sleep(QUIET).await;
        let flush = flush(&mut file, number);
        if number >= WARM_UP {
            finals.push(took);
            flushes.push(flush);
        }
        sleep(QUIET).await;
    }
    drop(file);
    std::fs::remove_file(path).expect("the file is there");
    (Sample::new(finals), Sample::new(flushes))
}

fn main() {
    // Cargo passes `--bench`; the first number is the count of transactions.
    let transactions =
        std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(TRANSACTIONS);
    let (finals, flushes) = run(measure(transactions));
    finals.print("final");
    flushes.print("flush of 4 KiB");
    let (final_p50, flush_p50) = (finals.percentile(50), flushes.percentile(50));
    let besides = final_p50.saturating_sub(BESIDES_MAX);
    let hundredths = besides.as_nanos() * 100 / flush_p50.as_nanos().max(1);
    println!("(p50 of final - 3 ms) / p50 of flush = {}.{:02}", hundredths / 100, hundredths % 100);
    if final_p50 > flush_p50 * FLUSHES_MAX + BESIDES_MAX {
        println!("missed: at most {FLUSHES_MAX} flushes and 3 ms");
        std::process::exit(1);
    }
}
