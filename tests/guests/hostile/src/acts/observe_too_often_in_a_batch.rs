//! Observes more values for each message than a turn may have effects, and still few enough for its own memory.

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| {
        for value in 0..70_000 {
            ctx.observe("amount", f64::from(value))?;
        }
        Ok(())
    },
    ..QUIET
};
