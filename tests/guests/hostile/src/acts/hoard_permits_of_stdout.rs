//! Calls `check-write` on one handle of stdout after the other, without a write, and then writes through one more.

use wasip2::cli::stdout::get_stdout;

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    handle: |_, _| {
        let kept: Vec<_> = (0..100).map(|_| get_stdout()).collect();
        for stdout in &kept {
            let _ = stdout.check_write();
        }
        let _ = get_stdout().blocking_write_and_flush(b"text");
        unreachable!("there was room");
    },
    ..QUIET
};
