//! Panics in `prepare-children`.

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    prepare_children: |_| panic!("in prepare-children"),
    ..QUIET
};
