//! Never stops: loops in `shutdown`.

use crate::act::{Act, QUIET, spin};

pub(crate) const ACT: Act = Act {
    shutdown: |_| spin(),
    ..QUIET
};
