//! Sleeps for ever in a call of the host.

use std::time::Duration;

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    handle: |_, _| {
        std::thread::sleep(Duration::from_hours(1000));
        Ok(())
    },
    ..QUIET
};
