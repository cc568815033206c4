//! Panics over a notice.

use crate::act::{Act, QUIET, watch_nobody};

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| watch_nobody(ctx),
    noticed: |_| panic!("in noticed"),
    ..QUIET
};
