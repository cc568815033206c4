//! The guest that the benches drive.
//!
//! | message | what it does |
//! |---|---|
//! | `go N B` | sends N bodies of B bytes to config `to`, a few per turn |
//! | `sum` | replies with how many other messages came, and the sum of their bytes: `N S` |
//! | `crash` | panics |
//! | anything else | is counted |

#![allow(missing_docs)]

use playhouse_sdk::{Actor, Context, Message, Result, export_actor};

/// Messages sent in one turn: the source goes on when the sink has room again.
const PER_TURN: u64 = 256;

#[derive(Default)]
struct Driver {
    to: String,
    body: Vec<u8>,
    count: u64,
    sum: u64,
}

export_actor!(Driver);

impl Actor for Driver {
    fn init(&mut self, ctx: &mut Context) -> Result<()> {
        self.to = ctx.config("to").unwrap_or_default();
        Ok(())
    }

    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result<()> {
        match msg.body() {
            b"sum" => ctx.reply(format!("{} {}", self.count, self.sum)),
            b"crash" => panic!("as asked"),
            body if body.starts_with(b"go ") => self.go(msg.text()?, ctx)?,
            body => {
                self.count += 1;
                self.sum += body.iter().map(|&byte| u64::from(byte)).sum::<u64>();
            }
        }
        Ok(())
    }
}

impl Driver {
    fn go(&mut self, order: &str, ctx: &mut Context) -> Result<()> {
        let mut numbers = order.split(' ').skip(1).map(str::parse);
        let (Some(count), Some(bytes)) = (numbers.next(), numbers.next()) else { return Ok(()) };
        let (count, bytes): (u64, usize) = (count?, bytes?.try_into()?);
        self.body.resize(bytes, 1);
        let now = count.min(PER_TURN);
        for _ in 0..now {
            ctx.tell(&self.to, &self.body)?;
        }
        if count > now {
            ctx.tell(ctx.address(), format!("go {} {bytes}", count - now))?;
        }
        Ok(())
    }
}
