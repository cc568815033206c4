//! Aborts the process, as it thinks.

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    handle: |_, _| std::process::abort(),
    ..QUIET
};
