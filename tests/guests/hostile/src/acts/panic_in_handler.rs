//! Panics in its handler.

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    handle: |_, _| panic!("in the handler"),
    ..QUIET
};
