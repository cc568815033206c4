//! Reads the environment and the arguments of the host.

use crate::act::{Act, QUIET, verdict};

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| {
        let (arguments, variables) = (std::env::args().count(), std::env::vars().count());
        verdict(ctx, variables == 0 && arguments <= 1)
    },
    ..QUIET
};
