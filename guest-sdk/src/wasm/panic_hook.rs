//! The panic hook of an actor's component.

use std::panic::{self, PanicHookInfo};

use crate::bindings::playhouse::actor::kernel;
use crate::panic_text::panic_text;

/// Reports a panic to the host, which ends this incarnation.
pub(crate) fn set_panic_hook() {
    panic::set_hook(Box::new(report_panic));
}

/// The panic hook. It runs at most once, since `panicked` does not return.
fn report_panic(panic: &PanicHookInfo<'_>) {
    let text = panic_text(panic);
    let line = text.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    eprintln!("panicked: {line}");
    kernel::panicked(&text, &[]);
}
