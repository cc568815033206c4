//! Sends a gigabyte in one turn.

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| {
        let body = vec![0; 1 << 20];
        for _ in 0..1024 {
            ctx.tell("/neighbour", &body)?;
        }
        Ok(())
    },
    ..QUIET
};
