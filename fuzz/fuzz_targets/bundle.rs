//! See `usrd_fuzz::bundle`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| usrd_fuzz::bundle(bytes));
