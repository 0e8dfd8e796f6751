//! Hands `catenary_fuzz::views` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| catenary_fuzz::views(data));
