//! Sends as much as it may, again and again, for ever.

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    handle: |msg, ctx| {
        for _ in 0..1000 {
            ctx.tell("/neighbour", "x")?;
        }
        Ok(ctx.tell(ctx.address(), msg.body())?)
    },
    ..QUIET
};
