//! Hands `catenary_fuzz::altered_evidence` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| catenary_fuzz::altered_evidence(data));
