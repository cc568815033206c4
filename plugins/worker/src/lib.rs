//! Does one piece of work for its parent: sends an order back in capital letters.
//!
//! - Config: `sign`, the text before each answer.
//! - Messages: an order, as text. The answer is sent to its sender. `nap` is never answered.

use playhouse_sdk::{Actor, Context, Message, Result, export_actor, reject};

#[derive(Default)]
struct Worker;

impl Actor for Worker {
    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
        let order = msg.text()?;
        if order == "nap" {
            return Ok(());
        }
        let boss = ctx.sender().ok_or_else(|| reject("the order has no sender to send the work to"))?;
        let sign = ctx.config("sign").unwrap_or_default();
        Ok(ctx.tell(&boss, format!("{sign}{}", order.to_uppercase()))?)
    }
}

export_actor!(Worker);

#[cfg(test)]
mod tests {
    use playhouse_sdk::Envelope;
    use playhouse_sdk::testing::ActorHarness;

    use super::*;

    #[test]
    fn work_is_sent_back_to_its_sender() -> Result {
        let mut harness = ActorHarness::<Worker>::setup().config("sign", "!").start()?;
        let from_boss = Envelope { sender: Some("/boss".to_owned()), ..Envelope::default() };
        harness.deliver(from_boss, "tea")?;
        assert_eq!(harness.sent(), [("/boss", "!TEA")]);
        assert!(harness.tell("tea").is_err());
        Ok(())
    }

    #[test]
    fn nap_leads_nowhere() -> Result {
        let mut harness = ActorHarness::<Worker>::start()?;
        harness.tell("nap")?;
        assert!(harness.sent().is_empty());
        Ok(())
    }
}
