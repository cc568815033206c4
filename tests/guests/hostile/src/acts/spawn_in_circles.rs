//! Spawns itself.

use playhouse_sdk::SpawnError;

use crate::act::{Act, QUIET, verdict};

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| {
        let error = ctx.spawn("again", "hostile").err();
        verdict(ctx, matches!(error, Some(SpawnError::Circular(_))))
    },
    ..QUIET
};
