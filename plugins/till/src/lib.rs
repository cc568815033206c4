//! A till: adds up amounts in its state, which is right after any end of the host.
//!
//! - Config: none.
//! - Messages: `sum` is answered with the sum and the number of payments, as JSON. Any other body is an amount, a whole number, which is
//!   added; the answer is the new sum. A body that is no amount is rejected, and so is one that would make the sum too large.
//! - State: `sum` and `payments`, as JSON.

use playhouse_sdk::{Actor, Context, Message, OrReject as _, Result, anyhow::Context as _, export_actor, reject};

#[derive(Default)]
struct Till;

impl Actor for Till {
    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
        let state = ctx.state();
        let sum: i64 = state.get("sum")?.unwrap_or_default();
        let payments: u64 = state.get("payments")?.unwrap_or_default();
        let text = msg.text().or_reject()?;
        if text == "sum" {
            return ctx.reply_json(&(sum, payments));
        }
        let amount: i64 = text.trim().parse().context("an amount is a whole number").or_reject()?;
        let sum = sum.checked_add(amount).ok_or_else(|| reject("the till cannot hold that much"))?;
        state.put("sum", &sum)?;
        state.put("payments", &(payments + 1))?;
        ctx.reply(sum.to_string());
        Ok(())
    }
}

export_actor!(Till);

#[cfg(test)]
mod tests {
    use playhouse_sdk::testing::ActorHarness;
    use playhouse_sdk::{AskError, Failure};

    use super::*;

    #[test]
    fn sum_survives_a_restart() -> Result {
        let mut till = ActorHarness::<Till>::start()?;
        till.tell("40")?;
        till.tell("-5")?;
        let mut till = till.restart()?;
        assert_eq!(till.ask("7")?, b"42");
        assert_eq!(till.ask("sum")?, b"[42,3]");
        Ok(())
    }

    #[test]
    fn payment_that_is_refused_changes_nothing() -> Result {
        let mut till = ActorHarness::<Till>::setup().state("sum", &i64::MAX).start()?;
        assert!(
            matches!(till.ask("a lot"), Err(AskError::Rejected(why)) if why.contains("an amount is a whole number"))
        );
        assert!(matches!(till.tell("1"), Err(Failure::Reject(_))));
        assert_eq!(till.state_keys(), ["sum"]);
        Ok(())
    }
}
