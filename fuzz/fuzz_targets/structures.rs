//! See `usrd_fuzz::structures`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| usrd_fuzz::structures(bytes));
