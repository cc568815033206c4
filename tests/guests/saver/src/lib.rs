//! The guest for tests of `saved`: its value counts its messages. `count` is answered with it; `reject` fails and `trap` panics, both
//! after the message was counted.

#![allow(missing_docs)]

use playhouse_sdk::{Actor, Context, Message, Result, export_actor, reject};
use serde::{Deserialize, Serialize};

#[derive(Default, Clone, Serialize, Deserialize)]
struct Saver {
    count: u64,
}

export_actor!(Saver, saved);

impl Actor for Saver {
    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
        match msg.text()? {
            "count" => ctx.reply(self.count.to_string()),
            text => {
                self.count += 1;
                match text {
                    "reject" => return Err(reject("told to")),
                    "trap" => panic!("told to"),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}
