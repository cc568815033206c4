//! Sends a million messages in one turn.

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| {
        for _ in 0..1_000_000 {
            ctx.tell("/neighbour", "x")?;
        }
        Ok(())
    },
    ..QUIET
};
