//! Tries to abort the host's process.

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    handle: |_, _| std::process::abort(),
    ..QUIET
};
