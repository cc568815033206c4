//! The guest that the benches drive. Config `role` selects the handling of data bodies (see `body.rs`); text is an order:
//!
//! | order | effect |
//! |---|---|
//! | `want N` | resets the count and the sum; after N more data bodies, config `bell` is told |
//! | `go N B` | sends N data bodies of B bytes to config `to`, some in each turn |
//! | `go N B acked` | the same, with at most `WINDOW` of them in flight |
//! | `ack` | half a `WINDOW` has arrived |
//! | `sum` | replies with the number of data bodies, and the sum of their words: `N S` |
//! | `grow N L` | spawns children down to L leaves, the first of them with the number N; see `skynet.rs` |
//! | `crash`, `spin` | panics, loops until it is stopped |
//!
//! | role | handling of a data body |
//! |---|---|
//! | `sink` | counted and summed; after each half `WINDOW`, config `ack` is told |
//! | `relay` | sent on to config `to`, to each in turn |
//! | `ping` | counted, summed, and sent back with the next number |
//! | `echo` | the reply |

use playhouse_sdk::{Actor, Context, Message, Result};

use crate::body::{self, WINDOW, per_turn};
use crate::skynet::Branch;

#[derive(Default)]
enum Role {
    #[default]
    Sink,
    Relay,
    Ping,
    Echo,
}

#[derive(Default)]
pub(crate) struct Driver {
    role: Role,
    to: Vec<String>,
    /// The next receiver in `to`.
    next: usize,
    ack: Option<String>,
    bell: Option<String>,
    want: u64,
    count: u64,
    sum: u64,
    source: Source,
    branch: Branch,
}

/// The part of a `go` order that is still to send.
#[derive(Default)]
struct Source {
    body: Vec<u8>,
    number: u64,
    left: u64,
    /// Number of bodies that may be sent before the next acknowledgement.
    credit: u64,
    /// Whether a `more` message is in flight.
    more: bool,
}

impl Actor for Driver {
    fn init(&mut self, ctx: &mut Context) -> Result<()> {
        self.role = match ctx.config("role").as_deref() {
            Some("relay") => Role::Relay,
            Some("ping") => Role::Ping,
            Some("echo") => Role::Echo,
            _ => Role::Sink,
        };
        self.to = ctx.config("to").unwrap_or_default().split_whitespace().map(str::to_owned).collect();
        self.ack = ctx.config("ack");
        self.bell = ctx.config("bell");
        Ok(())
    }

    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result<()> {
        if msg.body().first() != Some(&0) {
            return self.order(msg.text()?, ctx);
        }
        match self.role {
            Role::Sink => self.arrived(msg.body(), ctx),
            Role::Relay => {
                let to = self.next_target();
                Ok(ctx.tell(&self.to[to], msg.body())?)
            }
            Role::Ping => {
                self.arrived(msg.body(), ctx)?;
                self.send(1, ctx)
            }
            Role::Echo => {
                ctx.reply(msg.into_body());
                Ok(())
            }
        }
    }
}

impl Driver {
    fn order(&mut self, order: &str, ctx: &mut Context) -> Result<()> {
        let mut words = order.split(' ');
        let name = words.next().unwrap_or_default();
        let mut number = || words.next().unwrap_or("0").parse::<u64>();
        match name {
            "want" => (self.want, self.count, self.sum) = (number()?, 0, 0),
            "go" => {
                let (left, bytes) = (number()?, number()?.try_into()?);
                let credit = if words.next() == Some("acked") { WINDOW } else { u64::MAX };
                self.source = Source { body: body::template(bytes), left, credit, ..Source::default() };
                self.burst(ctx)?;
            }
            "more" => {
                self.source.more = false;
                self.burst(ctx)?;
            }
            "ack" => {
                self.source.credit += WINDOW / 2;
                self.burst(ctx)?;
            }
            "grow" => self.branch = Branch::grow(number()?, number()?, ctx)?,
            "grown" => {
                if let Some(sum) = self.branch.grown(number()?, ctx)? {
                    self.all_grown(sum, ctx)?;
                }
            }
            "sum" => ctx.reply(format!("{} {}", self.count, self.sum)),
            "crash" => panic!("as asked"),
            "spin" => loop {
                std::hint::spin_loop();
            },
            other => return Err(playhouse_sdk::reject(format!("no such order: {other}"))),
        }
        Ok(())
    }

    /// Sends the bodies of one turn, and tells itself to continue.
    fn burst(&mut self, ctx: &mut Context) -> Result<()> {
        let most = if matches!(self.role, Role::Ping) { 1 } else { per_turn(self.source.body.len()) };
        self.send(most.min(self.source.credit), ctx)?;
        let source = &mut self.source;
        if source.left > 0 && source.credit > 0 && !source.more && !matches!(self.role, Role::Ping) {
            source.more = true;
            ctx.tell(ctx.address(), "more")?;
        }
        Ok(())
    }

    fn send(&mut self, most: u64, ctx: &mut Context) -> Result<()> {
        let count = most.min(self.source.left);
        for _ in 0..count {
            let to = self.next_target();
            let source = &mut self.source;
            body::set_number(&mut source.body, source.number);
            source.number += 1;
            ctx.tell(&self.to[to], &source.body)?;
        }
        self.source.left -= count;
        self.source.credit -= count;
        Ok(())
    }

    fn arrived(&mut self, body: &[u8], ctx: &mut Context) -> Result<()> {
        self.count += 1;
        self.sum = self.sum.wrapping_add(body::sum(body));
        if self.count.is_multiple_of(WINDOW / 2)
            && let Some(ack) = &self.ack
        {
            ctx.tell(ack, "ack")?;
        }
        if self.count == self.want
            && let Some(bell) = &self.bell
        {
            ctx.tell(bell, "done")?;
        }
        Ok(())
    }

    /// Keeps the sum in the root, for the order `sum`.
    fn all_grown(&mut self, sum: u64, ctx: &mut Context) -> Result<()> {
        self.sum = sum;
        match &self.bell {
            Some(bell) => ctx.tell(bell, "done")?,
            None => ctx.tell(ctx.parent(), format!("grown {sum}"))?,
        }
        Ok(())
    }

    fn next_target(&mut self) -> usize {
        let to = self.next;
        self.next = if to + 1 == self.to.len() { 0 } else { to + 1 };
        to
    }
}
