//! See `usrd_fuzz::wire_decode`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| usrd_fuzz::wire_decode(bytes));
