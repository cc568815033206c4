//! Waits for an answer that never comes.

use std::time::Duration;

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| {
        ctx.ask("/silent", "x", Duration::from_hours(1000))?;
        Ok(())
    },
    ..QUIET
};
