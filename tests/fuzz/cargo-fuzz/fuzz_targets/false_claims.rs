//! Hands `catenary_fuzz::false_claims` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| catenary_fuzz::false_claims(data));
