//! Calls itself until its stack is full.

use crate::act::{Act, QUIET};

fn deeper(depth: u64) -> u64 {
    if depth == u64::MAX { 0 } else { deeper(std::hint::black_box(depth) + 1) + 1 }
}

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| {
        ctx.reply(deeper(1).to_le_bytes());
        Ok(())
    },
    ..QUIET
};
