//! The text of a panic, as components report it to the host.

use std::panic::PanicHookInfo;

/// The panic's message and its place in the source.
pub(crate) fn panic_text(panic: &PanicHookInfo<'_>) -> String {
    let message = panic.payload_as_str().unwrap_or("a panic without a text");
    match panic.location() {
        Some(at) => format!("{message} ({}:{}:{})", at.file(), at.line(), at.column()),
        None => message.to_owned(),
    }
}
