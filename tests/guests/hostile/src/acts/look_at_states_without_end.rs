//! Asks the kernel for the state of an actor in an endless loop.

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| loop {
        let _ = ctx.status("/neighbour");
    },
    ..QUIET
};
