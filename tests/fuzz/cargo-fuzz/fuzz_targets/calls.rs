//! Hands `catenary_fuzz::calls` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| catenary_fuzz::calls(data));
