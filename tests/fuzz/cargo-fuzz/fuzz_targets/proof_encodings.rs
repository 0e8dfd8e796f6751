//! Hands `catenary_fuzz::proof_encodings` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| catenary_fuzz::proof_encodings(data));
