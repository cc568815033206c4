//! Spawns a child that does the same.

use playhouse_sdk::SpawnError;

use crate::act::{Act, QUIET, spawn, verdict};

pub(crate) const ACT: Act = Act {
    prepare_children: |ctx| match spawn(ctx, "deeper", "spawn_deeper_without_end") {
        Ok(()) | Err(SpawnError::TooDeep) => Ok(()),
        Err(error) => Err(error.into()),
    },
    handle: |_, ctx| verdict(ctx, true),
    ..QUIET
};
