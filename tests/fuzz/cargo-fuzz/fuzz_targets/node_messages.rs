//! Hands `catenary_fuzz::node_messages` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| catenary_fuzz::node_messages(data));
