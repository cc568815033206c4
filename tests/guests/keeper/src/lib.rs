//! The guest for tests of state: it follows the steps in a message, separated by `;`.
//!
//! | step | effect |
//! |---|---|
//! | `set K V`, `unset K` | changes the state; a refusal is the reply |
//! | `get K` | replies with the value, or `none` |
//! | `keys P` | replies with the keys that begin with P |
//! | `fill N` | sets N keys of 1,000 bytes each |
//! | `ask A` | asks A |
//! | `long` | replies with more than it may |
//! | `reject`, `trap` | fails, panics |

#![allow(missing_docs)]

use std::time::Duration;

use playhouse_sdk::{Actor, Context, Message, Result, export_actor, reject};

#[derive(Default)]
struct Keeper;

export_actor!(Keeper);

impl Actor for Keeper {
    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
        let state = ctx.state();
        for step in msg.text()?.split(';') {
            let (verb, rest) = step.trim().split_once(' ').unwrap_or((step.trim(), ""));
            match verb {
                "set" => {
                    let (key, value) = rest.split_once(' ').unwrap_or((rest, ""));
                    if let Err(error) = state.put_bytes(key, value) {
                        ctx.reply(error.to_string());
                    }
                }
                "unset" => state.delete(rest)?,
                "get" => ctx.reply(state.get_bytes(rest)?.unwrap_or_else(|| b"none".to_vec())),
                "keys" => ctx.reply(state.keys(rest)?.join(" ")),
                "fill" => {
                    for n in 0..rest.parse()? {
                        state.put_bytes(&format!("fill/{n:06}"), [b'x'; 1000])?;
                    }
                }
                "ask" => drop(ctx.ask(rest, "", Duration::from_secs(5))?),
                "long" => ctx.reply(vec![0; (1 << 20) + 1]),
                "reject" => return Err(reject("told to")),
                "trap" => panic!("told to"),
                other => return Err(reject(format!("no step: {other}"))),
            }
        }
        Ok(())
    }
}
