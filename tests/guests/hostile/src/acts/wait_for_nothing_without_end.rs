//! Waits for a time that is over at once, in an endless loop.

use std::time::Duration;

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    handle: |_, _| loop {
        std::thread::sleep(Duration::ZERO);
    },
    ..QUIET
};
