//! Hands `catenary_fuzz::altered_proofs` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| catenary_fuzz::altered_proofs(data));
