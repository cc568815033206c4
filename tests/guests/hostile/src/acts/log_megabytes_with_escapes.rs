//! Logs lines of a megabyte that look like other lines, and like orders to a terminal.

use playhouse_sdk::Level;

use crate::act::{Act, QUIET, verdict};

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| {
        let text = "\u{1b}[2J\n2026-01-01T00:00:00.000Z ERROR /neighbour crashed\u{202e}\0".repeat((1 << 20) / 56);
        for _ in 0..200 {
            ctx.log(Level::Critical, &text);
            ctx.log(Level::Trace, &text);
        }
        verdict(ctx, true)
    },
    ..QUIET
};
