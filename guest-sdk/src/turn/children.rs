//! The children that a batch spawns and stops.

use std::cell::{Cell, RefCell};

/// The changes of the actor's children in a batch, as far as their routes depend on them.
pub(super) struct Children {
    /// Whether the current message reserved a name for a child.
    pub(super) reserved: Cell<bool>,
    /// The routes of children that the current batch stops.
    pub(super) stopped: RefCell<Vec<u32>>,
}

impl Children {
    pub(super) const fn new() -> Self {
        Self { reserved: Cell::new(false), stopped: RefCell::new(Vec::new()) }
    }
}
