//! Sets timers without end.

use std::time::Duration;

use playhouse_sdk::TimerError;

use crate::act::{Act, QUIET, verdict};

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| {
        let set = || ctx.tell_every(Duration::from_hours(1), ctx.address(), "x");
        let error = std::iter::repeat_with(set).find_map(Result::err);
        verdict(ctx, matches!(error, Some(TimerError::TooManyTimers { .. })))
    },
    ..QUIET
};
