//! Does nothing: a child of others.

use crate::act::{Act, QUIET, verdict};

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| verdict(ctx, true),
    ..QUIET
};
