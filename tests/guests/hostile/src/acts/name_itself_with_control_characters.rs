//! Prints text that would move the cursor, change the title and forge a line of a log.

use playhouse_sdk::reject;

use crate::act::{Act, QUIET};

/// Clears the screen, sets the title, turns the text around, and begins a line that looks like the host's.
const ESCAPES: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}\r\n2026-01-01T00:00:00.000Z ERROR /kernel all is lost";

pub(crate) const ACT: Act = Act {
    handle: |message, ctx| {
        match message.text()? {
            "your name?" => {
                ctx.reply(ESCAPES);
                return Ok(());
            }
            "no" => return Err(reject(ESCAPES)),
            _ => {}
        }
        println!("stdout {ESCAPES}");
        eprintln!("stderr {ESCAPES}");
        let _ = ctx.tell(ESCAPES, ESCAPES);
        panic!("panic {ESCAPES}")
    },
    ..QUIET
};
