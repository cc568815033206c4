//! Fails each message with a retry.

use playhouse_sdk::retry;

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    handle: |_, _| Err(retry("later")),
    ..QUIET
};
