//! Panics in `child-failed`.

use crate::act::{Act, QUIET, lose_a_child};

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| lose_a_child(ctx),
    child_failed: |_| panic!("in child-failed"),
    ..QUIET
};
