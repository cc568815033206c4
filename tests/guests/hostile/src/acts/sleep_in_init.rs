//! Takes longer to start than allowed, in many short sleeps.

use std::time::Duration;

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    init: |_| {
        std::thread::sleep(Duration::from_millis(150));
        Ok(())
    },
    prepare_children: |_| {
        std::thread::sleep(Duration::from_millis(150));
        Ok(())
    },
    ..QUIET
};
