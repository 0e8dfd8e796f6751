//! Hands `catenary_fuzz::replayed_journals` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| catenary_fuzz::replayed_journals(data));
