//! Prices the orders of one queue, and sends them on to another one.
//!
//! - Config: `to`, the address of the sink, and `tax`, in percent.
//! - Messages: an order as JSON, `{"item": "tea", "quantity": 2, "price": 150}`, with the price in cents. One of another shape is
//!   rejected, and becomes a dead letter.
//! - Sends: the bill to the sink, as JSON: `{"item": "tea", "total": 357}`.

use playhouse_sdk::{Actor, Context, Error, Message, Result, export_actor, reject};
use serde::{Deserialize, Serialize};

#[derive(Default)]
struct Queue {
    to: String,
    tax_percent: u64,
}

#[derive(Deserialize)]
struct Order<'a> {
    item: &'a str,
    quantity: u64,
    price: u64,
}

#[derive(Serialize)]
struct Bill<'a> {
    item: &'a str,
    total: u64,
}

impl Actor for Queue {
    fn init(&mut self, ctx: &mut Context) -> Result {
        self.to = ctx.config("to").ok_or_else(|| Error::msg("config needs `to`, the address of a sink"))?;
        self.tax_percent = ctx.config_as("tax")?.unwrap_or_default();
        Ok(())
    }

    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
        let order: Order<'_> = msg.json()?;
        let total = order.quantity.checked_mul(order.price).and_then(|net| net.checked_mul(100 + self.tax_percent));
        let total = total.ok_or_else(|| reject("the order is too large to be priced"))? / 100;
        ctx.tell_json(&self.to, &Bill { item: order.item, total })
    }
}

export_actor!(Queue);

#[cfg(test)]
mod tests {
    use playhouse_sdk::testing::ActorHarness;

    use super::*;

    #[test]
    fn order_becomes_a_bill() -> Result {
        let mut queue = ActorHarness::<Queue>::setup().config("to", "/out/bills").config("tax", "19").start()?;
        queue.tell(r#"{"item":"tea","quantity":2,"price":150}"#)?;
        assert_eq!(queue.sent(), [("/out/bills", r#"{"item":"tea","total":357}"#)]);
        Ok(())
    }

    #[test]
    fn order_that_cannot_be_priced_is_rejected() -> Result {
        let mut queue = ActorHarness::<Queue>::setup().config("to", "/out/bills").start()?;
        assert!(queue.tell("tea").is_err());
        assert!(queue.tell(format!(r#"{{"item":"tea","quantity":{},"price":2}}"#, u64::MAX)).is_err());
        assert_eq!(queue.sent().len(), 0);
        Ok(())
    }
}
