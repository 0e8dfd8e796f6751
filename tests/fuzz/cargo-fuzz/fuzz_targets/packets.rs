//! Hands `catenary_fuzz::packets` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| catenary_fuzz::packets(data));
