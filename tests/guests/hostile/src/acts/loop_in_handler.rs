//! Loops in its handler.

use crate::act::{Act, QUIET, spin};

pub(crate) const ACT: Act = Act {
    handle: |_, _| spin(),
    ..QUIET
};
