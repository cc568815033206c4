//! Logs ten million lines.

use playhouse_sdk::Level;

use crate::act::{Act, QUIET, verdict};

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| {
        for _ in 0..10_000_000 {
            ctx.log(Level::Info, "all work and no play");
        }
        verdict(ctx, true)
    },
    ..QUIET
};
