//! Hands `catenary_fuzz::altered_certificates` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| catenary_fuzz::altered_certificates(data));
