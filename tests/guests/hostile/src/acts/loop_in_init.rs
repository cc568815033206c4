//! Never starts: loops in `init`.

use crate::act::{Act, QUIET, spin};

pub(crate) const ACT: Act = Act {
    init: |_| spin(),
    ..QUIET
};
