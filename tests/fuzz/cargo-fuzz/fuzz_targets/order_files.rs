//! Hands `catenary_fuzz::order_files` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| catenary_fuzz::order_files(data));
