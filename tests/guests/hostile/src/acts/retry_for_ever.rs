//! Wants each message again.

use playhouse_sdk::retry;

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    handle: |_, _| Err(retry("later")),
    ..QUIET
};
