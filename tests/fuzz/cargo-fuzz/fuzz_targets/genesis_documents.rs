//! Hands `catenary_fuzz::genesis_documents` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| catenary_fuzz::genesis_documents(data));
