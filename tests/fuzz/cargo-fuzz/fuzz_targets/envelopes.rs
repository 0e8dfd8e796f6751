//! Hands `catenary_fuzz::envelopes` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| catenary_fuzz::envelopes(data));
