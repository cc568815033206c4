//! Spawns plugins without a grant, and children with invalid names.

use crate::act::{Act, QUIET, verdict};

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| {
        let spawned = [("x", "echo"), ("x", ""), ("../x", "recursive"), ("\u{1b}[2J", "recursive"), ("", "recursive")];
        let all = spawned.map(|(name, plugin)| ctx.spawn(name, plugin).is_err()).into_iter().all(|refused| refused);
        verdict(ctx, all && ctx.stop_child("/neighbour").is_err() && ctx.stop_child("/pen").is_err())
    },
    ..QUIET
};
