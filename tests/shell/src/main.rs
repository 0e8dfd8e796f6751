//! Runs seeds by hand: `catenary-shell [<from> [<seeds> [<seconds>]]]`; a single seed prints its trace.
//!
//! # Invariants
//!
//! - A seed that fails is named with what did not hold, and the exit code is 1; wrong usage is 2.

use catenary_shell::{Layout, Report, run};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let mut next = |default| numbers.next().unwrap_or(Ok(default));
    let (Ok(from), Ok(seeds), Ok(seconds)) = (next(0), next(1), next(20)) else {
        eprintln!("usage: catenary-shell [<from> [<seeds> [<seconds>]]]");
        return ExitCode::from(2);
    };
    let layout = Layout { seconds, traced: seeds == 1, ..Layout::default() };
    let mut all = Report::default();
    let mut failed = false;
    for seed in from..from + seeds {
        let (report, violation) = run(seed, layout);
        all.add(&report);
        if let Some(violation) = violation {
            failed = true;
            println!("seed {seed}: {}: {}", violation.invariant, violation.detail);
        }
    }
    println!("{all}");
    ExitCode::from(u8::from(failed))
}
