//! Takes memory until that fails.

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    handle: |_, _| {
        let mut hoard = Vec::new();
        loop {
            hoard.push(vec![1_u8; 1 << 16]);
            std::hint::black_box(&hoard);
        }
    },
    ..QUIET
};
