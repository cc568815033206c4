//! Asks itself, and waits for the reply.

use std::time::Duration;

use playhouse_sdk::AskError;

use crate::act::{Act, QUIET, verdict};

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| {
        let answer = ctx.ask(ctx.address(), "x", Duration::from_hours(1000));
        verdict(ctx, matches!(answer, Err(AskError::Deadlock(_))))
    },
    ..QUIET
};
