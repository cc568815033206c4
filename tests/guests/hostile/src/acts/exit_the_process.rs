//! Tries to end the host's process.

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    handle: |_, _| std::process::exit(7),
    ..QUIET
};
