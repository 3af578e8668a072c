//! See `usrd_fuzz::endpoint`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| usrd_fuzz::endpoint(bytes));
