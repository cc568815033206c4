//! See `playhouse_fuzz::entries`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| playhouse_fuzz::entries(bytes));
