//! Hands `catenary_fuzz::group_messages` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| catenary_fuzz::group_messages(data));
