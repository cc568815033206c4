//! Shows the smallest actor: replies with the body of the message.
//!
//! - Config: none.
//! - Messages: any bytes.

use playhouse_sdk::{Actor, Context, Message, Result, export_actor};

#[derive(Default)]
struct Echo;

impl Actor for Echo {
    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
        ctx.reply(msg.into_body());
        Ok(())
    }
}

export_actor!(Echo, no_files);

#[cfg(test)]
mod tests {
    use playhouse_sdk::testing::ActorHarness;

    use super::*;

    #[test]
    fn any_bytes_come_back() -> Result {
        let mut harness = ActorHarness::<Echo>::start()?;
        assert_eq!(harness.ask([0x00, 0xff])?, [0x00, 0xff]);
        assert_eq!(harness.ask("")?, b"");
        Ok(())
    }
}
