//! Counts ten million times in one message.

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| {
        for _ in 0..10_000_000 {
            ctx.count("orders", 1)?;
        }
        Ok(())
    },
    ..QUIET
};
