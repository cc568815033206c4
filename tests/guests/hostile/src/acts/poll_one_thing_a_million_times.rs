//! Polls a list that names one pollable, which never becomes ready, a million times.

use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::io::poll::poll;

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    handle: |_, _| {
        let never = subscribe_duration(u64::MAX);
        let ready = poll(&vec![&never; 1_000_000]);
        unreachable!("{} are ready", ready.len());
    },
    ..QUIET
};
