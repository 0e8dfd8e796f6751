//! Emits a chain of ours as a folder of files that verifiers which know nothing of us can judge: headers, updates, proofs,
//! packets and flows, good and bad, each with the outcome that it must have.
//!
//! ```text
//!   Story (real blocks, certificates, state) ──► folder of JSON ──► go/ : CometBFT, ibc-go, ics23/go
//!                                                             └───► tests/: the stock Rust verifiers
//! ```
//!
//! The form of the folder stands in `go/README.md`.
//!
//! # Invariants
//!
//! - What is emitted as good is what the chain's own code made; what is bad is a good one changed.
//! - The same story gives the same bytes.

mod files;
mod flow;
mod packets;
mod proofs;
mod story;
mod updates;

pub use files::*;
pub use story::Story;

use std::{fs, io, path::Path};

/// Writes everything about a story into a folder.
pub fn emit(story: &Story, dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    write(dir, "chain", &story.chain_file())?;
    write(dir, "headers", &story.headers())?;
    write(dir, "updates", &updates::cases(story))?;
    write(dir, "proofs", &story.proofs())?;
    write(dir, "packets", &packets::file(story))?;
    write(dir, "flow", &flow::flows(story))
}

fn write(dir: &Path, name: &str, content: &impl serde::Serialize) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(content).map_err(io::Error::other)?;
    fs::write(dir.join(format!("{name}.json")), text)
}
