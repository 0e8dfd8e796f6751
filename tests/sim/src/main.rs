//! `sim --seed S` runs one seed and prints its trace; `sim --seeds N` runs N of them, on all cores, and prints what happened
//! in all; `sim --mutants N` looks, for each deliberate defect of the code, for the first of N seeds that finds it; `sim
//! --found` asks whether the seeds that found them still do.
//!
//! # Invariants
//!
//! - A seed that fails prints the command that runs it again, and the exit code is 1; wrong usage is 2.
//! - A thousand seeds or more that lack a fault, an effect or an error that they should have brought fail, too.

use catenary_mutant::Mutant;
use catenary_sim::{Layout, campaign, found, kinds};
use std::{process::ExitCode, time::Instant};

const USAGE: &str = "usage: sim (--seed S | --seeds N [--from S] | --mutants N | --found) [--seconds T] [--nodes N] [--chains N] \
                     [--liars N] [--mutant NAME] [--suite cheap|ed25519]";
/// So many seeds bring everything that there is.
const SEEDS_OF_EVERYTHING: u64 = 1_000;

struct Arguments {
    first: u64,
    seeds: u64,
    traced: bool,
    mutants: bool,
    found: bool,
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
    // A panic of a machine is a violation, which is told below.
    std::panic::set_hook(Box::new(|_| ()));
    match () {
        () if arguments.found => check_found(),
        () if arguments.mutants => hunt(&arguments),
        () => run(&arguments),
    }
}

fn run(arguments: &Arguments) -> ExitCode {
    let begun = Instant::now();
    let Arguments { first, seeds, traced, layout, .. } = *arguments;
    let (report, failed) = campaign::run(first, seeds, layout, traced);
    for (seed, violation) in &failed {
        println!("seed {seed}: {violation}\n{}", command(*seed, arguments));
    }
    println!("{report}");
    let missing = if seeds < SEEDS_OF_EVERYTHING { Vec::new() } else { kinds::missing(&report) };
    missing.iter().for_each(|what| println!("never happened: {what}"));
    println!("{seeds} seeds, {} failed, {:.1?}", failed.len(), begun.elapsed());
    if failed.is_empty() && missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The line that runs a seed again.
fn command(seed: u64, arguments: &Arguments) -> String {
    let Layout { nodes, chains, seconds, liars, mutant } = arguments.layout;
    let suite = if arguments.ed25519 { "ed25519" } else { "cheap" };
    let mutant = mutant.map_or(String::new(), |mutant| format!(" --mutant {}", mutant.name()));
    format!(
        "cargo run --profile sim -p catenary-sim -- --seed {seed} --seconds {seconds} --nodes {nodes} --chains {chains} \
         --liars {liars} --suite {suite}{mutant}"
    )
}

/// Prints a table of all defects, each with the number of seeds that it took.
fn hunt(arguments: &Arguments) -> ExitCode {
    let mut taken = Vec::new();
    let only = arguments.layout.mutant;
    let mutants = Mutant::ALL.iter().filter(|mutant| only.is_none_or(|only| only == **mutant));
    for mutant in mutants.clone() {
        let layout = Layout { mutant: Some(*mutant), ..arguments.layout };
        match campaign::hunt(arguments.seeds, layout) {
            Some((seed, violation)) => {
                println!("| `{}` | {} | {} |", mutant.name(), seed + 1, violation.invariant);
                taken.push(seed + 1);
            }
            None => println!("| `{}` | not found in {} | |", mutant.name(), arguments.seeds),
        }
    }
    taken.sort_unstable();
    let (found, all) = (taken.len(), mutants.count());
    println!(
        "{found} of {all} found; the median took {} seeds",
        taken.get(found / 2).copied().unwrap_or_default()
    );
    if found == all { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether every defect is still found by the seed that found it.
fn check_found() -> ExitCode {
    let missed = found::missed();
    missed.iter().for_each(|mutant| println!("{} is no longer found by its seed", mutant.name()));
    println!("{} of {} found", Mutant::ALL.len() - missed.len(), Mutant::ALL.len());
    if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn read(mut words: impl Iterator<Item = String>) -> Option<Arguments> {
    let layout = Layout::default();
    let mut arguments =
        Arguments { first: 0, seeds: 0, traced: false, mutants: false, found: false, ed25519: false, layout };
    while let Some(word) = words.next() {
        if word == "--found" {
            arguments.found = true;
            continue;
        }
        let value = words.next()?;
        let number = value.parse::<u64>().ok();
        match (word.as_str(), number) {
            ("--suite", None) => {
                arguments.ed25519 = ["cheap", "ed25519"].iter().position(|suite| *suite == value)? == 1
            }
            ("--mutant", None) => arguments.layout.mutant = Some(Mutant::named(&value)?),
            ("--seed", Some(seed)) => (arguments.first, arguments.seeds, arguments.traced) = (seed, 1, true),
            ("--seeds", Some(seeds)) => arguments.seeds = seeds,
            ("--mutants", Some(seeds)) => (arguments.seeds, arguments.mutants) = (seeds, true),
            ("--from", Some(first)) => arguments.first = first,
            ("--seconds", Some(seconds)) => arguments.layout.seconds = seconds,
            ("--nodes", Some(nodes)) => arguments.layout.nodes = nodes.try_into().ok()?,
            ("--chains", Some(chains)) => arguments.layout.chains = chains.try_into().ok()?,
            ("--liars", Some(liars)) => arguments.layout.liars = liars.try_into().ok()?,
            _ => return None,
        }
    }
    (arguments.seeds > 0 || arguments.found).then_some(arguments)
}
