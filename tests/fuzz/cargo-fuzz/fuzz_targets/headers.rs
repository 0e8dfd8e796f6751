//! Hands `catenary_fuzz::headers` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| catenary_fuzz::headers(data));
