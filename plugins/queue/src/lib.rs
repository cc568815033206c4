//! Prices the orders of one queue, and sends them on to another one.
//!
//! - Config: `to`, the address of the sink, and `tax`, in percent.
//! - Messages: an order as JSON, `{"item": "tea", "quantity": 2, "price": 150}`, with the price in cents. One of another shape is
//!   rejected, and becomes a dead letter.
//! - Asks: the sink to take the bill, as JSON: `{"item": "tea", "total": 357}`.

use std::time::Duration;

use playhouse_sdk::{Actor, Context, Error, Message, Result, export_actor, reject};
use serde::{Deserialize, Serialize};

/// The time in which the other queue takes a bill.
const PATIENCE: Duration = Duration::from_secs(30);

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
        // The order is acknowledged when this message has ended. Its bill must be in the other queue by then, and not only in the
        // memory of the sink, which a tell would not wait for.
        ctx.ask(&self.to, serde_json::to_vec(&Bill { item: order.item, total })?, PATIENCE)?;
        Ok(())
    }
}

export_actor!(Queue);

#[cfg(test)]
mod tests {
    use playhouse_sdk::testing::ActorHarness;

    use super::*;

    #[test]
    fn order_becomes_a_bill() -> Result {
        let setup = ActorHarness::<Queue>::setup().config("to", "/out/bills").config("tax", "19");
        let mut queue = setup.answer("/out/bills", |_| Ok(Vec::new())).start()?;
        queue.tell(r#"{"item":"tea","quantity":2,"price":150}"#)?;
        assert_eq!(queue.asked(), [("/out/bills", r#"{"item":"tea","total":357}"#)]);
        Ok(())
    }

    #[test]
    fn order_that_cannot_be_priced_is_rejected() -> Result {
        let mut queue = ActorHarness::<Queue>::setup().config("to", "/out/bills").start()?;
        assert!(queue.tell("tea").is_err());
        assert!(queue.tell(format!(r#"{{"item":"tea","quantity":{},"price":2}}"#, u64::MAX)).is_err());
        assert_eq!(queue.asked().len(), 0);
        Ok(())
    }
}
