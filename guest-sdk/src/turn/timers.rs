//! The timers of an incarnation, as far as its guest counts them.

use std::cell::{Cell, OnceCell};

use super::host::Route;

/// The numbers of this incarnation's timers, and the number that may still be set, so that a timer needs no call to the host.
pub(super) struct Timers {
    pub(super) last: Cell<u64>,
    /// A lower bound on the timers that may still be set.
    pub(super) left: Cell<u32>,
    pub(super) address: OnceCell<String>,
    pub(super) own: Cell<Option<Route>>,
}

impl Timers {
    pub(super) const fn new() -> Self {
        Self { last: Cell::new(0), left: Cell::new(0), address: OnceCell::new(), own: Cell::new(None) }
    }
}
