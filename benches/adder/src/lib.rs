//! Adds the numbers in its messages to the sum in its state, and answers with the sum. Each message is a read and a change of one key.

#![allow(missing_docs)]

use playhouse_sdk::{Actor, Context, Message, Result, export_actor};

#[derive(Default)]
struct Adder;

impl Actor for Adder {
    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
        let state = ctx.state();
        let sum: u64 = state.get("sum")?.unwrap_or_default();
        let sum = sum + msg.text()?.parse::<u64>()?;
        state.put("sum", &sum)?;
        ctx.reply(sum.to_string());
        Ok(())
    }
}

export_actor!(Adder, no_files);
