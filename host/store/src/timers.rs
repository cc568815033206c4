//! The writer's knowledge of an actor's timers.

use std::collections::BTreeSet;

use playhouse_kernel::TimerIds;

/// The timers of an actor, by their ids.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Timers {
    /// Their number, as the actor's row says.
    pub(crate) rows: u64,
    pub(crate) ids: BTreeSet<u64>,
    /// The highest ids that timers of the actor ever had.
    pub(crate) highest: TimerIds,
}

impl Timers {
    pub(crate) fn set(&mut self, id: u64) {
        self.ids.insert(id);
        self.rows = self.ids.len() as u64;
        self.highest.note(id);
    }

    /// Returns whether there was such a timer.
    pub(crate) fn end(&mut self, id: u64) -> bool {
        let was_set = self.ids.remove(&id);
        self.rows = self.ids.len() as u64;
        was_set
    }

    /// Whether all timers have a row.
    pub(crate) fn has_all(&self) -> bool {
        self.ids.len() as u64 == self.rows
    }
}
