//! See `playhouse_fuzz::store`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| playhouse_fuzz::store(bytes));
