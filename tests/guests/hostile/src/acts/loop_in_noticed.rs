//! Loops over a notice.

use crate::act::{Act, QUIET, spin, watch_nobody};

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| watch_nobody(ctx),
    noticed: |_| spin(),
    ..QUIET
};
