//! Spawns children that loop in their handlers, each over a message of its own.

use playhouse_sdk::SpawnOptions;

use crate::act::{Act, QUIET};

const CROWD: u32 = 300;

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| {
        for n in 0..CROWD {
            let name = n.to_string();
            ctx.spawn_with(&name, "hostile", &SpawnOptions::new().config("act", "loop_in_handler"))?;
            ctx.tell(&name, "loop")?;
        }
        ctx.reply(CROWD.to_string());
        Ok(())
    },
    ..QUIET
};
