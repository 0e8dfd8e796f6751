//! Hands `catenary_fuzz::error_details` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| catenary_fuzz::error_details(data));
