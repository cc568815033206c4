//! Panics in `init`.

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    init: |_| panic!("in init"),
    ..QUIET
};
