//! Gives a child a config of megabytes.

use playhouse_sdk::SpawnOptions;

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| {
        let options = SpawnOptions::new().config("act", "nothing").config("library", "x".repeat(1 << 20));
        Ok(ctx.spawn_with("reader", "recursive", &options)?)
    },
    ..QUIET
};
