//! Fails with a reason of megabytes.

use playhouse_sdk::reject;

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    handle: |_, _| Err(reject("why? ".repeat(1 << 20))),
    ..QUIET
};
