//! Replies with more bytes than allowed.

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| {
        ctx.reply(vec![0; (1 << 20) + 1]);
        Ok(())
    },
    ..QUIET
};
