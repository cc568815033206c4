//! Writes hundreds of thousands of lines to stderr.

use std::io::Write;

use crate::act::{Act, QUIET, verdict};

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| {
        let lines = "all work and no play\n".repeat(100);
        for _ in 0..2000 {
            std::io::stderr().write_all(lines.as_bytes())?;
        }
        verdict(ctx, true)
    },
    ..QUIET
};
