//! Sends as many messages as its limits allow, in an endless loop.

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
