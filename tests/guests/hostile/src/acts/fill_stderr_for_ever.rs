//! Writes to stderr for ever: three times the lines and the bytes that the default limits of a second allow.

use std::io::Write;
use std::time::Duration;

use crate::act::{Act, QUIET};

/// Between two bursts.
const PAUSE: Duration = Duration::from_millis(100);
/// Lines of a burst, and bytes of a line.
const LINES: usize = 300;
const LINE_BYTES: usize = 1000;

pub(crate) const ACT: Act = Act {
    init: |ctx| {
        ctx.tell_every(PAUSE, ctx.address(), "more")?;
        Ok(())
    },
    handle: |message, ctx| {
        if message.text()? != "more" {
            ctx.reply("it goes on");
            return Ok(());
        }
        let line = format!("{}\n", "x".repeat(LINE_BYTES - 1));
        let mut stderr = std::io::stderr().lock();
        Ok((0..LINES).try_for_each(|_| stderr.write_all(line.as_bytes()))?)
    },
    ..QUIET
};
