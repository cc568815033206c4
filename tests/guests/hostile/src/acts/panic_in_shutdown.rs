//! Panics in `shutdown`.

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    shutdown: |_| panic!("in shutdown"),
    ..QUIET
};
