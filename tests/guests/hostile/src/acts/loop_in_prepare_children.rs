//! Never starts: loops in `prepare-children`.

use crate::act::{Act, QUIET, spin};

pub(crate) const ACT: Act = Act {
    prepare_children: |_| spin(),
    ..QUIET
};
