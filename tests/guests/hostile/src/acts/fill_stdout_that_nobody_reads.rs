//! Writes to stdout without end.

use std::io::Write;

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    handle: |_, _| loop {
        std::io::stdout().write_all(&[b'x'; 4096])?;
    },
    ..QUIET
};
