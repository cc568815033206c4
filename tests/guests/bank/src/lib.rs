//! The bank whose host the kill test kills. One plugin is all three kinds of actors, by `role` in its config.
//!
//! | role | message | effect |
//! |---|---|---|
//! | `clerk` | `KEY FROM TO AMOUNT`, a transfer | two bookings in one turn: `KEY -AMOUNT` to the account FROM, `KEY AMOUNT` to TO |
//! | `account` | `KEY AMOUNT`, a booking | adds it to `balance` of its state, and sends `KEY ACCOUNT AMOUNT` to `/ledger`. Some keys set a timer, which sends `timer KEY ACCOUNT` to `/ledger` |
//! | `ledger` | any line | prints it |
//!
//! A key ends with `-` and a number. By that number an account sets a timer: see [`reminds`]. By it the clerk makes trouble after its sends, which must leave no trace then:
//! see [`trouble`].

#![allow(missing_docs)]

use std::time::Duration;

use playhouse_sdk::{Actor, Context, Message, Result, export_actor, reject, retry};

#[derive(Default)]
struct Bank {
    role: String,
}

export_actor!(Bank);

impl Actor for Bank {
    fn init(&mut self, ctx: &mut Context) -> Result {
        self.role = ctx.config("role").unwrap_or_default();
        Ok(())
    }

    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
        let line = msg.text()?;
        let words: Vec<&str> = line.split(' ').collect();
        match (self.role.as_str(), &words[..]) {
            ("clerk", [key, from, to, amount]) => {
                ctx.tell(from, format!("{key} -{amount}"))?;
                ctx.tell(to, format!("{key} {amount}"))?;
                let is_first = ctx.envelope().is_some_and(|envelope| envelope.attempt == 1);
                match trouble(key) {
                    Trouble::Rejects => Err(reject("no such transfer")),
                    Trouble::Retries if is_first => Err(retry("not yet")),
                    Trouble::Panics if is_first => panic!("over {key}"),
                    _ => Ok(()),
                }
            }
            ("account", [key, amount]) => {
                let state = ctx.state();
                let balance: i64 = state.get("balance")?.unwrap_or_default();
                state.put("balance", &(balance + amount.parse::<i64>()?))?;
                if let Some(delay) = reminds(key) {
                    ctx.tell_after(delay, "/ledger", format!("timer {key} {}", ctx.address()))?;
                }
                Ok(ctx.tell("/ledger", format!("{key} {} {amount}", ctx.address()))?)
            }
            ("ledger", _) => {
                println!("{line}");
                Ok(())
            }
            _ => Err(reject(format!("no message for the role `{}`", self.role))),
        }
    }
}

enum Trouble {
    /// Never done.
    Rejects,
    /// Done at the second attempt.
    Retries,
    /// Done after a crash.
    Panics,
    None,
}

/// The number at the end of a key.
fn number_of(key: &str) -> u64 {
    key.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The delay of the timer that a booking sets: some fire in the same life, and some in a later one.
fn reminds(key: &str) -> Option<Duration> {
    let number = number_of(key);
    (number % 5 == 2).then(|| Duration::from_millis(number % 50))
}

fn trouble(key: &str) -> Trouble {
    let number = number_of(key);
    match number {
        _ if number % 11 == 5 => Trouble::Rejects,
        _ if number % 7 == 3 => Trouble::Retries,
        _ if number % 53 == 9 => Trouble::Panics,
        _ => Trouble::None,
    }
}
