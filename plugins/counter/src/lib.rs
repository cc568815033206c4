//! Shows state: counts its messages since its last start.
//!
//! - Config: none.
//! - Messages: `get` is answered with the count, in decimal. Any other body adds one, and the new count is the answer.

use playhouse_sdk::{Actor, Context, Message, Result, export_actor};

#[derive(Default)]
struct Counter {
    count: u64,
}

impl Actor for Counter {
    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
        if msg.body() != b"get" {
            self.count += 1;
        }
        ctx.reply(self.count.to_string());
        Ok(())
    }
}

export_actor!(Counter);

#[cfg(test)]
mod tests {
    use playhouse_sdk::testing::ActorHarness;

    use super::*;

    #[test]
    fn every_message_but_get_counts() -> Result {
        let mut harness = ActorHarness::<Counter>::start()?;
        assert_eq!(harness.ask("get")?, b"0");
        harness.tell("one")?;
        assert_eq!(harness.ask("two")?, b"2");
        assert_eq!(harness.ask("get")?, b"2");
        Ok(())
    }
}
