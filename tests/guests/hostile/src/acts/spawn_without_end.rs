//! Spawns children without end.

use playhouse_sdk::SpawnError;

use crate::act::{Act, QUIET, spawn, verdict};

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| {
        let error = (0_u64..).find_map(|n| spawn(ctx, &n.to_string(), "nothing").err());
        verdict(ctx, matches!(error, Some(SpawnError::TooManyChildren { .. })))
    },
    ..QUIET
};
