//! Hands `catenary_fuzz::admission` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| catenary_fuzz::admission(data));
