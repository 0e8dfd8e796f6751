//! Hands `catenary_fuzz::journal_entries` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| catenary_fuzz::journal_entries(data));
