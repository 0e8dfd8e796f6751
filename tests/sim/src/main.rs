//! `sim --seed S` runs one seed and prints its trace; `sim --seeds N` runs N of them and prints what happened in all.
//!
//! # Invariants
//!
//! - A seed that fails prints the command that runs it again, and the exit code is 1; wrong usage is 2.

use catenary_sim::{Layout, Report, World};
use std::{process::ExitCode, time::Instant};

const USAGE: &str = "usage: sim (--seed S | --seeds N [--from S]) [--seconds T] [--nodes N] [--chains N]";

struct Arguments {
    first: u64,
    seeds: u64,
    traced: bool,
    layout: Layout,
}

fn main() -> ExitCode {
    let Some(arguments) = read(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let begun = Instant::now();
    let mut all = Report::default();
    for seed in arguments.first..arguments.first + arguments.seeds {
        let world = World::new(seed, arguments.layout, arguments.traced);
        let (report, violation) = world.run();
        all.add(&report);
        if let Some(violation) = violation {
            let Layout { nodes, chains, seconds, .. } = arguments.layout;
            println!("seed {seed}: {}: {}", violation.invariant, violation.detail);
            println!(
                "cargo run --release -p catenary-sim -- --seed {seed} --seconds {seconds} --nodes {nodes} --chains {chains}"
            );
            return ExitCode::FAILURE;
        }
    }
    println!("{all}");
    println!("{} seeds, {:.1?}, no violation", arguments.seeds, begun.elapsed());
    ExitCode::SUCCESS
}

fn read(mut words: impl Iterator<Item = String>) -> Option<Arguments> {
    let mut arguments = Arguments { first: 0, seeds: 0, traced: false, layout: Layout::default() };
    while let Some(word) = words.next() {
        let number: u64 = words.next()?.parse().ok()?;
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
