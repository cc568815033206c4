//! The guest that tests drive: it does what a message says, one step after another, separated by `;`.
//!
//! | step | what it does |
//! |---|---|
//! | `tell A BODY` | sends BODY to A |
//! | `ask A BODY` | asks A, and sends `answer REPLY` or `no answer` to `/log` |
//! | `reply BODY` | replies |
//! | `reply-bytes N` | replies with N bytes |
//! | `back BODY` | sends BODY to the sender |
//! | `envelope` | sends sender, hops, attempt and whether it was asked to `/log` |
//! | `reject WHY`, `retry WHY` | fails |
//! | `retry-once WHY` | fails the first attempt |
//! | `trap` | panics |
//! | anything else | nothing |

#![allow(missing_docs)]

use std::time::Duration;

use playhouse_sdk::{Actor, Context, Message, Result, export_actor, reject, retry};

#[derive(Default)]
struct Puppet;

export_actor!(Puppet);

impl Actor for Puppet {
    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
        msg.text()?.split(';').try_for_each(|step| act(step, ctx))
    }
}

fn act(step: &str, ctx: &Context) -> Result {
    let (verb, rest) = step.split_once(' ').unwrap_or((step, ""));
    let (to, body) = rest.split_once(' ').unwrap_or((rest, ""));
    match verb {
        "tell" => ctx.tell(to, body)?,
        "ask" => match ctx.ask(to, body, Duration::from_secs(5)) {
            Ok(reply) => ctx.tell("/log", format!("answer {}", String::from_utf8_lossy(&reply)))?,
            Err(_) => ctx.tell("/log", "no answer")?,
        },
        "reply" => ctx.reply(rest),
        "reply-bytes" => ctx.reply(vec![0; rest.parse()?]),
        "back" => ctx.tell(&ctx.sender().unwrap_or_default(), rest)?,
        "envelope" => {
            let envelope = ctx.envelope().expect("a message is in hand");
            let sender = envelope.sender.unwrap_or_default();
            ctx.tell("/log", format!("{sender} {} {} {}", envelope.hops, envelope.attempt, envelope.asked))?;
        }
        "reject" => return Err(reject(rest)),
        "retry" => return Err(retry(rest)),
        "retry-once" if ctx.envelope().is_some_and(|envelope| envelope.attempt == 1) => return Err(retry(rest)),
        "trap" => panic!("as told"),
        _ => {}
    }
    Ok(())
}
