//! Hands `catenary_fuzz::execution` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| catenary_fuzz::execution(data));
