//! Writes the seeds of every target into a corpus folder, one folder a target, as `cargo fuzz` looks for them.
//!
//! Usage: `cargo run -p catenary-fuzz --example corpus -- tests/fuzz/cargo-fuzz/corpus`

use catenary_fuzz::TARGETS;
use std::{env, fs, io, path::PathBuf, process::ExitCode};

fn main() -> ExitCode {
    let Some(corpus) = env::args().nth(1).map(PathBuf::from) else {
        eprintln!("usage: corpus <folder>");
        return ExitCode::FAILURE;
    };
    match write(&corpus) {
        Ok(files) => {
            println!("{files} files for {} targets", TARGETS.len());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}: {error}", corpus.display());
            ExitCode::FAILURE
        }
    }
}

fn write(corpus: &std::path::Path) -> io::Result<usize> {
    let mut files = 0;
    for target in TARGETS {
        let folder = corpus.join(target.name);
        fs::create_dir_all(&folder)?;
        for (number, seed) in (target.seeds)().iter().enumerate() {
            fs::write(folder.join(format!("seed-{number}")), seed)?;
            files += 1;
        }
    }
    Ok(files)
}
