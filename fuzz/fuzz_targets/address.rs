//! See `playhouse_fuzz::address`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| playhouse_fuzz::address(bytes));
