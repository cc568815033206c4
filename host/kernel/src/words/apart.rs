//! Values that many threads write, each in cache lines of its own.

use std::ops::Deref;

/// A value in cache lines of its own: two values in one line cost the threads that write them as much as one value for both. Processors
/// fetch lines in pairs, so it is 128 bytes.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Apart<T>(T);

impl<T> Deref for Apart<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
