//! Lists a large folder in an endless loop: the host does the work, and the CPU time must count as the guest's.

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    handle: |_, _| {
        loop {
            std::hint::black_box(std::fs::read_dir("/shared/large").expect("it is granted").count());
        }
    },
    ..QUIET
};
