//! See `playhouse_fuzz::direct`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| playhouse_fuzz::direct(bytes));
