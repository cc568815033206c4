//! The part of a batch that concerns the actor's state: changes that the host does not know of yet, since they are in the frame.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use playhouse_frame::Place;

use crate::snapshot::Snapshot;

/// The actor's state in a batch.
pub(super) struct BatchState {
    pub(super) overlay: RefCell<StateOverlay>,
    /// Whether the current message changed the state, and whether the batch did: most change nothing, and then the overlay is not
    /// looked at.
    changed: Cell<(bool, bool)>,
}

impl BatchState {
    pub(super) const fn new() -> Self {
        Self { overlay: RefCell::new(StateOverlay::new()), changed: Cell::new((false, false)) }
    }

    /// Whether the batch changed the state.
    pub(super) fn is_changed(&self) -> bool {
        self.changed.get().1
    }

    /// The value of a key that the batch changed.
    pub(super) fn get(&self, key: &str) -> Option<Changed> {
        if self.is_changed() { self.overlay.borrow().values.get(key).cloned() } else { None }
    }

    /// Notes a change by the current message.
    pub(super) fn change(&self, key: &str, value: Option<&[u8]>) {
        self.overlay.borrow_mut().change(key, value);
        self.changed.set((true, true));
    }

    /// Ends the current message.
    pub(super) fn end_message(&self, failed: bool) {
        if self.changed.get().0 {
            self.overlay.borrow_mut().end_message(failed);
            self.changed.set((false, true));
        }
    }

    /// Ends the batch: the host gets the frame with all changes.
    pub(super) fn end_batch(&self) {
        let mut overlay = self.overlay.borrow_mut();
        overlay.in_frame = 0;
        if self.changed.take().1 {
            overlay.values.clear();
        }
    }
}

/// The last change of a key.
#[derive(Clone)]
pub(super) enum Changed {
    /// It has this value.
    To(Vec<u8>),
    /// It has none.
    Deleted,
}

/// The changes of a batch, and what is known of the state's bounds.
pub(super) struct StateOverlay {
    values: BTreeMap<String, Changed>,
    /// The values that the current message replaced in `values`, the last change last.
    replaced: Vec<(String, Option<Changed>)>,
    /// The bytes that may be set before the host is asked for the bounds again; none when it was never asked.
    pub(super) left: Option<u64>,
    pub(super) value_bytes: u64,
    /// The bytes of the sets in the frame, of which the host does not know.
    pub(super) in_frame: u64,
    /// The actor's own value after the last message that did not fail, and the place in the frame where it belongs.
    pub(super) unsaved: Option<(Place, Rc<dyn Snapshot>)>,
    /// The bytes that the actor's own value has in the state.
    pub(super) saved: Option<Vec<u8>>,
}

impl StateOverlay {
    pub(super) const fn new() -> Self {
        Self {
            values: BTreeMap::new(),
            replaced: Vec::new(),
            left: None,
            value_bytes: 0,
            in_frame: 0,
            unsaved: None,
            saved: None,
        }
    }

    fn change(&mut self, key: &str, value: Option<&[u8]>) {
        let before =
            self.values.insert(key.to_owned(), value.map_or(Changed::Deleted, |value| Changed::To(value.to_vec())));
        self.replaced.push((key.to_owned(), before));
    }

    fn end_message(&mut self, failed: bool) {
        for (key, before) in self.replaced.drain(..).rev().filter(|_| failed) {
            match before {
                Some(value) => drop(self.values.insert(key, value)),
                None => drop(self.values.remove(&key)),
            }
        }
    }
}
