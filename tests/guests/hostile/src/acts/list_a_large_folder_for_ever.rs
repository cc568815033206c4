//! Lists a large folder again and again: the work is the host's, and the CPU time must be the guest's.

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    handle: |_, _| {
        loop {
            std::hint::black_box(std::fs::read_dir("/shared/large").expect("it is granted").count());
        }
    },
    ..QUIET
};
