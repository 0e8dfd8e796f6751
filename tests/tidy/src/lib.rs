//! Style as a test: what `docs/style.md` calls discipline, over every file of the repository.
//!
//! ```text
//!   Repository::read ──► files ──► lexer ──► outline: functions, test code ──┐
//!                                                                            ├──► rules ──► findings
//!                                  Cargo.toml ──► Package: dependencies ─────┘
//! ```
//!
//! | Module | What it demands |
//! |---|---|
//! | [`rules::prose`] | a doc at the top of each file, invariants at the end of each crate's |
//! | [`rules::size`] | small files and functions |
//! | [`rules::folders`] | the one-way street between folders, one owner per heavy dependency |
//! | [`rules::pure`] | no clock, thread, IO, hash order or floats below the pure line |
//! | [`rules::leftovers`] | no markers, no `unwrap`, no paths or mirrors of one machine |
//! | [`rules::assertions`] | every test can fail, every fixture is used |
//! | [`rules::documents`] | the README names every folder, links lead somewhere |
//! | [`rules::failpoints`] | every failpoint stands at one place |
//!
//! The test `repository` runs them all. Exceptions stand in [`EXCEPTIONS`], each with its reason; one that is no longer
//! needed is a finding itself.
//!
//! # Invariants
//!
//! - A finding names rule, file, line and reason; nothing is repaired here.
//! - Rules read text only: nothing is built, run or fetched, and the order of findings is that of the files.
//! - Each rule is shown to catch a bad snippet.

mod exceptions;
mod finding;
mod lexer;
mod manifest;
mod outline;
mod repository;
pub mod rules;

pub use exceptions::{EXCEPTIONS, Exception, judge};
pub use finding::{Finding, Rule};
pub use lexer::{Kind, Token, tokens};
pub use manifest::{Dependency, Package, Section};
pub use outline::{Function, Outline};
pub use repository::{File, Repository};
