//! A worker for each order, with a time limit: spawns a child, gives it the order, and stops it when its answer comes, or
//! does not come in time. A worker that fails twice at an order is stopped. Prints the outcome of each order.
//!
//! - Config: `worker`, the plugin to spawn (by default `worker`); `patience_ms`, the time that an order may take (1000).
//! - Messages: from outside or from any other actor, an order. From a child, its answer. From itself, that time is up.
//!
//! A crash ends the workers as well, and their orders are lost: the sender of an important order sends it again.

use std::collections::BTreeMap;
use std::time::Duration;

use playhouse_sdk::{
    Actor, ChildFailed, Context, Directive, Message, Result, SpawnOptions, Supervisor, TimerId, export_actor,
};

#[derive(Default)]
struct Team {
    plugin: String,
    patience: Duration,
    orders: u64,
    /// The timer that ends an overdue order, by worker.
    limits: BTreeMap<String, TimerId>,
}

impl Actor for Team {
    fn init(&mut self, ctx: &mut Context) -> Result {
        self.plugin = ctx.config("worker").unwrap_or_else(|| "worker".to_owned());
        self.patience = Duration::from_millis(ctx.config_as("patience_ms")?.unwrap_or(1000));
        Ok(())
    }

    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
        let (text, sender) = (msg.text()?, ctx.sender().unwrap_or_default());
        match sender.strip_prefix(ctx.address()).map(|below| below.trim_start_matches('/')) {
            Some("") => self.end(text, "took too long", ctx),
            Some(worker) => self.end(worker, text, ctx),
            None => self.begin(text, ctx),
        }
    }
}

impl Supervisor for Team {
    /// An order is tried twice: the worker, and with it the order, may be to blame.
    fn child_failed(&mut self, failure: ChildFailed, ctx: &mut Context) -> Directive {
        if failure.incarnation < 2 {
            return Directive::Restart;
        }
        if let Some(limit) = self.limits.remove(failure.name()) {
            ctx.cancel(limit);
            println!("{}: failed twice, {}", failure.name(), failure.reason);
        }
        Directive::Stop
    }
}

export_actor!(Team, supervisor);

impl Team {
    fn begin(&mut self, order: &str, ctx: &Context) -> Result {
        let worker = format!("order-{}", self.orders + 1);
        ctx.spawn_with(&worker, &self.plugin, &SpawnOptions::new().config("sign", format!("{worker} done: ")))?;
        ctx.tell(&worker, order)?;
        let limit = ctx.tell_after(self.patience, ctx.address(), &worker)?;
        self.orders += 1;
        self.limits.insert(worker, limit);
        Ok(())
    }

    /// Ends an order. An answer that comes after the end of its time finds no order any more, and is ignored.
    fn end(&mut self, worker: &str, how: &str, ctx: &Context) -> Result {
        let Some(&limit) = self.limits.get(worker) else { return Ok(()) };
        ctx.cancel(limit);
        ctx.stop_child(worker)?;
        self.limits.remove(worker);
        println!("{worker}: {how}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use playhouse_sdk::Envelope;
    use playhouse_sdk::testing::ActorHarness;

    use super::*;

    fn from(sender: &str) -> Envelope {
        Envelope { sender: Some(sender.to_owned()), ..Envelope::default() }
    }

    #[test]
    fn each_order_has_a_worker_until_it_answers() -> Result {
        let mut harness = ActorHarness::<Team>::setup().address("/team").start()?;
        harness.tell("tea")?;
        harness.tell("soup")?;
        assert_eq!(harness.children(), [("order-1", "worker"), ("order-2", "worker")]);
        assert_eq!(harness.sent(), [("/team/order-1", "tea"), ("/team/order-2", "soup")]);
        harness.deliver(from("/team/order-1"), "TEA")?;
        assert_eq!(harness.children(), [("order-2", "worker")]);
        assert_eq!(harness.timers().len(), 1);
        Ok(())
    }

    #[test]
    fn order_that_takes_too_long_is_given_up() -> Result {
        let mut harness = ActorHarness::<Team>::setup().address("/team").config("patience_ms", "50").start()?;
        harness.tell("nap")?;
        harness.advance(Duration::from_millis(50));
        assert_eq!(harness.sent().last().expect("time is up"), &("/team", "order-1"));
        harness.deliver(from("/team"), "order-1")?;
        assert!(harness.children().is_empty());
        harness.deliver(from("/team/order-1"), "late")?;
        Ok(())
    }

    #[test]
    fn worker_that_fails_twice_is_stopped() -> Result {
        let mut harness = ActorHarness::<Team>::setup().address("/team").start()?;
        harness.tell("tea")?;
        let mut failure = ChildFailed::new("/team/order-1", "panic");
        assert_eq!(harness.child_failed(failure.clone()), Directive::Restart);
        failure.incarnation = 2;
        assert_eq!(harness.child_failed(failure), Directive::Stop);
        assert!(harness.timers().is_empty());
        Ok(())
    }
}
