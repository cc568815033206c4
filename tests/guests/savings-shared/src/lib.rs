//! An actor with a gate and a state that shares its instance with others. `add N` adds N to its saved value and to the key `sum` of its
//! state, and replies with both. `trap` panics. It does not start while `/door` is up.

#![allow(missing_docs)]

use std::time::Duration;

use playhouse_sdk::{Actor, ActorState, Context, Decision, Gate, Message, Result, export_actor, reject};
use serde::{Deserialize, Serialize};

#[derive(Default, Clone, Serialize, Deserialize)]
struct Savings {
    saved: u64,
}

impl Gate for Savings {
    fn decide_to_start(ctx: &mut Context) -> Decision {
        if ctx.status("/door").is_some_and(ActorState::is_up) {
            Decision::wait_for(Duration::from_hours(1))
        } else {
            Decision::Start
        }
    }
}

impl Actor for Savings {
    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
        let text = msg.text()?;
        assert_ne!(text, "trap");
        let more: u64 = text.strip_prefix("add ").ok_or_else(|| reject("no order"))?.parse()?;
        let sum = ctx.state().get::<u64>("sum")?.unwrap_or_default() + more;
        ctx.state().put("sum", &sum)?;
        self.saved += more;
        ctx.reply(format!("{} {sum}", self.saved));
        Ok(())
    }
}

export_actor!(Savings, gate, saved, shared);
