//! The function `write` of an actor that is exported with `no_files`. It takes the place of the C library's, which comes with a table
//! of files, with polling, and with the standard input and the terminals: thirteen imports that each start pays for.
#![allow(unsafe_code)]

use std::mem::ManuallyDrop;
use std::slice;

use crate::bindings::stdio::wasi::cli::{stderr, stdout};
use crate::bindings::stdio::wasi::io::streams::OutputStream;

/// The most bytes of one write that blocks, by WASI.
const MOST_BYTES: usize = 4096;

thread_local! {
    // Never dropped, since a stream is open as long as its actor, and the function to drop it would be one more import.
    static STDOUT: ManuallyDrop<OutputStream> = ManuallyDrop::new(stdout::get_stdout());
    static STDERR: ManuallyDrop<OutputStream> = ManuallyDrop::new(stderr::get_stderr());
}

/// As `write` of POSIX, for standard output and error only.
///
/// # Safety
///
/// `bytes` is the address of `count` bytes.
pub unsafe extern "C" fn write(descriptor: i32, bytes: *const u8, count: usize) -> isize {
    let stream = match descriptor {
        1 => &STDOUT,
        2 => &STDERR,
        other => panic!(
            "a write to the file or socket {other}, but `export_actor!` has `no_files`; remove `no_files` from it"
        ),
    };
    if count == 0 {
        return 0;
    }
    // SAFETY: the caller's promise.
    let bytes = unsafe { slice::from_raw_parts(bytes, count.min(MOST_BYTES)) };
    match stream.with(|stream| stream.blocking_write_and_flush(bytes)) {
        Ok(()) => bytes.len().cast_signed(),
        Err(_) => -1,
    }
}
