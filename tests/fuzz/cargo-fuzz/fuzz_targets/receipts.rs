//! Hands `catenary_fuzz::receipts` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| catenary_fuzz::receipts(data));
