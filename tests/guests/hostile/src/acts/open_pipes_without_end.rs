//! Opens a FIFO without another end, in each way and in an endless loop: each open would block a thread of the host for ever.

use std::fs::{self, OpenOptions};

use crate::act::{Act, QUIET, verdict};

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| {
        let all = (0..200).all(|_| {
            fs::read("/shared/fifo").is_err()
                && fs::write("/shared/fifo", "x").is_err()
                && OpenOptions::new().read(true).write(true).open("/shared/fifo").is_err()
                && fs::read_dir("/shared/fifo").is_err()
        });
        verdict(ctx, all)
    },
    ..QUIET
};
