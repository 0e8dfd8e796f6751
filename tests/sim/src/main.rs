//! `sim --seed S` runs one seed and prints its trace; `sim --seeds N` runs N of them, on all cores, and prints what happened
//! in all.
//!
//! # Invariants
//!
//! - A seed that fails prints the command that runs it again, and the exit code is 1; wrong usage is 2.

use catenary_sim::{Layout, Report, Violation, World};
use std::{
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

const USAGE: &str = "usage: sim (--seed S | --seeds N [--from S]) [--seconds T] [--nodes N] [--chains N] \
                     [--suite cheap|ed25519]";

struct Arguments {
    first: u64,
    seeds: u64,
    traced: bool,
    ed25519: bool,
    layout: Layout,
}

fn main() -> ExitCode {
    let Some(arguments) = read(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    if !arguments.ed25519 {
        catenary_crypto::cheap::replace_signatures();
    }
    let begun = Instant::now();
    let (report, failed) = run(&arguments);
    for (seed, violation) in &failed {
        let Layout { nodes, chains, seconds, .. } = arguments.layout;
        let suite = if arguments.ed25519 { "ed25519" } else { "cheap" };
        println!("seed {seed}: {}: {}", violation.invariant, violation.detail);
        println!(
            "cargo run --release -p catenary-sim -- --seed {seed} --seconds {seconds} --nodes {nodes} --chains {chains} --suite {suite}"
        );
    }
    println!("{report}");
    println!("{} seeds, {} failed, {:.1?}", arguments.seeds, failed.len(), begun.elapsed());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs all seeds. Their reports are added in the order of the seeds, so that the digest is the same on any machine.
fn run(arguments: &Arguments) -> (Report, Vec<(u64, Violation)>) {
    let next = AtomicU64::new(arguments.first);
    let done = Mutex::new(Vec::new());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= arguments.first + arguments.seeds {
                        return;
                    }
                    let outcome = World::outcome(seed, arguments.layout, arguments.traced);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((seed, outcome));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(seed, _)| *seed);
    let mut all = Report::default();
    done.iter().for_each(|(_, (report, _))| all.add(report));
    let failed = done.into_iter().filter_map(|(seed, (_, violation))| Some((seed, violation?)));
    (all, failed.collect())
}

fn read(mut words: impl Iterator<Item = String>) -> Option<Arguments> {
    let layout = Layout::default();
    let mut arguments = Arguments { first: 0, seeds: 0, traced: false, ed25519: false, layout };
    while let Some(word) = words.next() {
        let value = words.next()?;
        if word == "--suite" {
            arguments.ed25519 = match value.as_str() {
                "cheap" => false,
                "ed25519" => true,
                _ => return None,
            };
            continue;
        }
        let number: u64 = value.parse().ok()?;
        match word.as_str() {
            "--seed" => (arguments.first, arguments.seeds, arguments.traced) = (number, 1, true),
            "--seeds" => arguments.seeds = number,
            "--from" => arguments.first = number,
            "--seconds" => arguments.layout.seconds = number,
            "--nodes" => arguments.layout.nodes = number.try_into().ok()?,
            "--chains" => arguments.layout.chains = number.try_into().ok()?,
            _ => return None,
        }
    }
    (arguments.seeds > 0).then_some(arguments)
}
