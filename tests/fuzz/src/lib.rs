//! What bytes from outside must never do, once for the fuzzer and once for every test run.
//!
//! A target is a function of bytes that asserts what holds whatever the bytes are. `cargo test` runs every target over
//! seeded cases, `cargo-fuzz/` hands the same functions to libFuzzer. How to run it, and what came of it, stands in
//! `docs/fuzzing.md`.
//!
//! | Module | Its targets |
//! |---|---|
//! | [`decoding`] | every message that is hashed, signed or stored: what is read is what would be written |
//! | [`names`] | identifiers, amounts, accounts: one text for one value |
//! | [`conversions`] | messages of stock libraries into domain types and back; errors of other nodes |
//! | [`certificates`] | a certificate or double vote that was altered proves nothing |
//! | [`proofs`] | no proof shows a falsehood, none can be altered |
//! | [`clients`] | what a light client and the packet law make of altered calls |
//! | [`transactions`] | who gets past the door of a chain, and what calls do to its money |
//! | [`blocks`] | a block that was altered is another block; a genesis starts a chain or is refused |
//! | [`groups`], [`nodes`] | what other nodes may say without stopping, deciding or breaking anything |
//! | [`journals`], [`block_logs`], [`guards`] | files of a node: what is altered is reported and never served |
//! | [`evidence`] | evidence and payment orders from strangers |
//!
//! # Invariants
//!
//! - A target is a function of its bytes: no clock, no randomness, no state that outlives a run but for caches that change
//!   nothing.
//! - One table names all targets, so that nothing is fuzzed that is not tested, and the other way round.
//! - A target asserts more than the absence of panics, and `tests/noticed.rs` shows that its assertions bite.

pub mod alteration;
pub mod block_logs;
pub mod blocks;
pub mod cases;
pub mod certificates;
pub mod clients;
pub mod conversions;
pub mod decoders;
pub mod decoding;
pub mod evidence;
pub mod groups;
pub mod guards;
pub mod input;
pub mod journals;
pub mod names;
pub mod nodes;
pub mod proofs;
pub mod samples;
pub mod transactions;
pub mod world;

/// A body, and inputs to start from.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of the body, which is also that of its libFuzzer binary.
    pub name: &'static str,
    /// The module that it stands in.
    pub group: &'static str,
    /// Asserts what holds, whatever the bytes.
    pub body: fn(&[u8]),
    /// Inputs that reach deep: valid encodings, or scripts of alterations.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

macro_rules! targets {
    ($($module:ident { $($name:ident: $seeds:expr),+ $(,)? })+) => {
        $(pub use $module::{$($name),+};)+

        /// Every target there is.
        pub const TARGETS: &[Target] =
            &[$($(Target { name: stringify!($name), group: stringify!($module), body: $name, seeds: $seeds }),+),+];
    };
}

targets! {
    decoding {
        envelopes: || samples::of(decoders::ENVELOPES),
        headers: || samples::of(decoders::HEADERS),
        genesis_documents: || samples::of(decoders::GENESIS),
        receipts: || samples::of(decoders::RECEIPTS),
        records: || samples::of(decoders::RECORDS),
        calls: || samples::of(decoders::CALLS),
        packets: || samples::of(decoders::PACKETS),
        proof_encodings: proofs::encodings,
        journal_entries: groups::entries,
    }
    names { identifiers: names::samples }
    conversions { views: conversions::samples, error_details: conversions::error_samples }
    certificates { altered_certificates: samples::scripts, altered_double_votes: samples::scripts }
    proofs { false_claims: samples::scripts, altered_proofs: samples::scripts }
    clients { altered_updates: samples::scripts, altered_packet_calls: samples::scripts }
    transactions {
        altered_envelopes: samples::scripts,
        admission: samples::scripts,
        execution: samples::scripts,
    }
    blocks { altered_blocks: samples::scripts, chain_starts: || samples::of(decoders::GENESIS) }
    groups { group_messages: samples::scripts, replayed_journals: samples::scripts }
    nodes { node_messages: samples::scripts }
    journals { altered_journals: samples::scripts, altered_sealed_values: samples::scripts }
    block_logs { altered_block_logs: samples::scripts }
    guards { altered_guards: samples::scripts }
    evidence { altered_evidence: samples::scripts, order_files: evidence::order_samples }
}
