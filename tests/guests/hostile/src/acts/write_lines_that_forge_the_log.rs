//! Writes lines to stderr that would move a cursor, end a text of JSON, and look like lines of the host; also bytes that are no text.

use std::io::Write;

use crate::act::{Act, QUIET};

const LINES: [&[u8]; 4] = [
    b"\x1b[2J\x1b]0;owned\x07\xc2\x9b31m\xe2\x80\xae\r2026-01-01T00:00:00.000Z ERROR /kernel all is lost\n",
    b"\"}}\n{\"v\":1,\"end\":{\"stopped\":true}}\n",
    b"\xff\xfe\x00 \xed\xa0\x80\n",
    b"\\u001b[31m \\\" {\"v\":1,\"log\":{}}\n",
];

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| {
        for line in LINES {
            std::io::stderr().write_all(line)?;
        }
        ctx.reply("written");
        Ok(())
    },
    ..QUIET
};
