//! Loops in `child-failed`.

use crate::act::{Act, QUIET, lose_a_child, spin};

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| lose_a_child(ctx),
    child_failed: |_| spin(),
    ..QUIET
};
