//! What a hundred chains cost that have nothing to do: four validators each, on four nodes of one process.
//!
//! `cargo bench -p catenary-system --bench idle`; `-- SECONDS` for another time, `-- SECONDS CHAINS` for another number
//! of chains. Each chain first takes one transaction, so that it has a block and the block that seals it. Then nobody
//! asks for anything for a minute.
//!
//! Memory is what the process holds at the end, less what it held before the nodes were opened: the nodes' own share is
//! in it. Processor time is that of all threads. Fails if a limit is missed.

use catenary_runtime::now;
use catenary_system::testing::{Bank, Group, run, settle, soon};
use catenary_types::Height;
use std::{fs, process::ExitCode, time::Duration};
use tokio::time::sleep;

const VALIDATORS: usize = 4;
const CHAINS: u64 = 100;
const SECONDS: u64 = 60;
/// Whatever the transactions led to is over by then: checkpoints, and what was held back for company.
const QUIET: Duration = Duration::from_secs(8);
const KIB_PER_CHAIN_MAX: u64 = 2 << 10;
/// Of a core, in thousandths.
const PROCESSOR_MAX: u128 = 20;

/// What the system says of this process.
#[derive(Clone, Copy, Debug)]
struct Usage {
    resident_kib: u64,
    threads: u64,
    processor: Duration,
}

impl Usage {
    fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().next().and_then(|value| value.parse().ok()).unwrap_or(0)
        };
        Self { resident_kib: field("VmRSS:"), threads: field("Threads:"), processor: processor_time() }
    }
}

/// Processor time of all threads that run.
fn processor_time() -> Duration {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanoseconds = threads.map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        text.split_whitespace().next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0)
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// Heights of all chains on all nodes, summed up.
async fn heights(group: &Group) -> u64 {
    let mut sum = 0;
    for node in 0..VALIDATORS {
        for chain in group.node(node).chains() {
            sum += chain.status().await.expect("the chain runs").height.0;
        }
    }
    sum
}

/// One transaction on every chain, sealed on every node.
async fn settle_all(group: &Group, banks: &[Bank]) {
    for (chain, bank) in group.node(0).chains().iter().zip(banks) {
        settle(chain, bank.envelope(1)).await;
    }
    for node in 0..VALIDATORS {
        for chain in group.node(node).chains() {
            soon(chain.final_block(Height(2))).await.expect("the chain runs");
        }
    }
}

/// Says what was measured; false if a limit is missed.
fn is_within(what: &str, measured: u128, max: u128, unit: &str) -> bool {
    let verdict = if measured <= max { "" } else { " MISSED" };
    println!("{what}: {measured} {unit}, at most {max}{verdict}");
    measured <= max
}

async fn measure(idle: Duration, chains: u64) -> bool {
    let before = Usage::now();
    let banks: Vec<_> = (0..chains)
        .map(|number| Bank::with_validators(VALIDATORS, &format!("idle{number}"), now()))
        .collect();
    let group = Group::start(&banks).await;
    for node in 0..VALIDATORS {
        let down = group.node(node).down().borrow().clone();
        assert!(down.is_empty(), "chains are down on node {node}: {down:?}");
    }
    let opened = Usage::now();
    println!("{} KiB resident before, {} with {chains} chains", before.resident_kib, opened.resident_kib);
    settle_all(&group, &banks).await;
    sleep(QUIET).await;
    let (start, blocks) = (Usage::now(), heights(&group).await);
    println!("{} KiB after {} blocks of a chain", start.resident_kib, blocks / chains / VALIDATORS as u64);

    sleep(idle).await;
    let end = Usage::now();
    let made = heights(&group).await - blocks;
    let per_chain = end.resident_kib.saturating_sub(before.resident_kib) / chains.max(1);
    let busy = (end.processor - start.processor).as_micros() * 1_000 / idle.as_micros().max(1);
    println!("idle for {} s", idle.as_secs());
    [
        is_within("blocks made", made.into(), 0, "blocks"),
        is_within("threads", end.threads.into(), u128::from(chains) - 1, "threads"),
        is_within("memory of a chain's replicas", per_chain.into(), KIB_PER_CHAIN_MAX.into(), "KiB"),
        is_within("processor", busy, PROCESSOR_MAX, "thousandths of a core"),
    ]
    .into_iter()
    .all(|holds| holds)
}

fn main() -> ExitCode {
    // Cargo passes `--bench`.
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let idle = Duration::from_secs(numbers.next().unwrap_or(SECONDS));
    let chains = numbers.next().unwrap_or(CHAINS);
    if run(measure(idle, chains)) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
