//! Hands `catenary_fuzz::altered_sealed_values` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| catenary_fuzz::altered_sealed_values(data));
