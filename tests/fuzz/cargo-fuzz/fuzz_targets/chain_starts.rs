//! Hands `catenary_fuzz::chain_starts` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| catenary_fuzz::chain_starts(data));
