//! Takes orders and prints the final outcome of each; the outcome of an order that crashed it is printed by the next incarnation.
//! Counts the orders that it took, and observes their amounts.
//!
//! - Config: none.
//! - Metrics: `orders` is counted, `amount` is observed. The manifest declares both.
//! - Messages: an order, as text, which is answered; its last word may be the amount. An empty one is rejected, `later` fails for
//!   now, `!panic` panics.
//! - Prints: the order's number in hexadecimal, cut to eight digits, the attempt, the outcome, and `lost` if it is a dead letter.

use playhouse_sdk::{Actor, Callback, Context, Ended, Failure, Message, Result, TaskDone, export_actor, reject, retry};

#[derive(Default)]
struct Orders;

impl Actor for Orders {
    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
        // An order that fails below is not counted: a failed message has no effects.
        ctx.count("orders", 1)?;
        match msg.text()? {
            "" => return Err(reject("an order needs an item")),
            "later" => return Err(retry("the shop is closed")),
            "!panic" => panic!("ordered to"),
            order => {
                if let Some(Ok(amount)) = order.split_whitespace().last().map(str::parse) {
                    ctx.observe("amount", amount)?;
                }
                ctx.reply(format!("one {order}"));
            }
        }
        Ok(())
    }
}

impl Callback for Orders {
    fn task_done(&mut self, task: TaskDone, _: &mut Context) -> Result {
        println!("{}", entry(&task));
        Ok(())
    }
}

fn entry(TaskDone { id, attempt, ended, dead_letter, .. }: &TaskDone) -> String {
    let what = match ended {
        Ended::Done => "done".to_owned(),
        Ended::Replied => "answered".to_owned(),
        Ended::Failed(Failure::Reject(why)) => format!("rejected: {why}"),
        Ended::Failed(Failure::Retry(why)) => format!("failed: {why}"),
        Ended::Crashed { kind, .. } => format!("crashed: {kind}"),
    };
    let id = id.get(..8).unwrap_or(id);
    format!("{id} {attempt} {what}{}", if *dead_letter { ", lost" } else { "" })
}

export_actor!(Orders, callback);

#[cfg(test)]
mod tests {
    use playhouse_sdk::testing::ActorHarness;

    use super::*;

    #[test]
    fn order_is_answered_or_fails() -> Result {
        let mut harness = ActorHarness::<Orders>::setup().with_callback().start()?;
        assert_eq!(harness.ask("tea")?, b"one tea");
        assert!(matches!(harness.tell(""), Err(Failure::Reject(_))));
        assert!(matches!(harness.tell("later"), Err(Failure::Retry(_))));
        Ok(())
    }

    #[test]
    fn orders_that_were_taken_are_counted() -> Result {
        let mut harness = ActorHarness::<Orders>::setup().metrics(["orders", "amount"]).start()?;
        harness.tell("tea 2.5")?;
        harness.tell("a tea that is free")?;
        assert!(harness.tell("").is_err() && harness.tell("tea -1").is_err());
        assert_eq!((harness.counted("orders"), harness.observed("amount")), (2, vec![2.5]));
        Ok(())
    }

    #[test]
    fn entry_has_the_outcome_of_its_order() {
        let crashed = Ended::Crashed { kind: "panic".to_owned(), reason: "panicked: ordered to".to_owned() };
        let mut task = TaskDone::new("0123456789", crashed);
        (task.attempt, task.dead_letter) = (3, true);
        assert_eq!(entry(&task), "01234567 3 crashed: panic, lost");
        assert_eq!(entry(&TaskDone::new("01", Ended::Replied)), "01 1 answered");
    }
}
