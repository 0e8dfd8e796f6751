//! Hands `catenary_fuzz::identifiers` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| catenary_fuzz::identifiers(data));
