//! Shows output: prints each message to stdout as it arrives, and replies, so that an asker can send the next one.
//!
//! - Config: none.
//! - Messages: a page of text, or any bytes. The reply is empty.

use std::io::{self, Write};

use playhouse_sdk::anyhow::Context as _;
use playhouse_sdk::{Actor, Context, Message, Result, export_actor};

#[derive(Default)]
struct Report;

impl Actor for Report {
    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
        print(msg.body(), &mut io::stdout().lock()).context("cannot write to stdout")?;
        ctx.reply("");
        Ok(())
    }
}

export_actor!(Report, no_files);

/// Prints a page with one write, not one for each line.
fn print(page: &[u8], out: &mut impl Write) -> io::Result<()> {
    out.write_all(page)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use playhouse_sdk::testing::ActorHarness;

    use super::*;

    #[test]
    fn page_is_printed_unchanged() -> Result {
        let mut printed = Vec::new();
        print(b"2\tto\n1\tbe\n", &mut printed)?;
        assert_eq!(printed, b"2\tto\n1\tbe\n");
        Ok(())
    }

    #[test]
    fn asker_gets_a_reply_when_a_page_is_printed() -> Result {
        assert_eq!(ActorHarness::<Report>::start()?.ask("")?, b"");
        Ok(())
    }
}
