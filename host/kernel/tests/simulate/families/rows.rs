//! The rows of a family's members, as the groups of the store make them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::play::{Name, Serial};

#[derive(Default)]
pub struct Rows {
    /// The members with an id, and their names.
    pub members: BTreeMap<u64, Name>,
    pub counts: BTreeMap<u64, u64>,
    pub halted: BTreeSet<u64>,
    pub waits: BTreeSet<(u64, u64)>,
    pub timers: BTreeSet<(u64, u64)>,
    pub numbers: BTreeMap<(u64, u64), Serial>,
    /// By message: how often it was put, and how often it ended.
    pub puts: BTreeMap<Serial, usize>,
    pub takes: BTreeMap<Serial, usize>,
    pub letters: BTreeMap<Serial, Vec<String>>,
    /// The times at which members were made in this life.
    pub births: Vec<Duration>,
}

/// A member in the store.
#[derive(Clone, Copy)]
pub struct Row {
    pub waits: bool,
    pub is_halted: bool,
    pub count: u64,
    pub has_timers: bool,
}

impl Rows {
    pub fn of(&self, name: Name) -> Option<Row> {
        let id = *self.members.iter().find(|(_, member)| **member == name)?.0;
        Some(Row {
            waits: self.waits.range((id, 0)..=(id, u64::MAX)).next().is_some(),
            is_halted: self.halted.contains(&id),
            count: self.counts.get(&id).copied().unwrap_or_default(),
            has_timers: self.timers.range((id, 0)..=(id, u64::MAX)).next().is_some(),
        })
    }

    pub fn len(&self) -> usize {
        self.members.len()
    }

    pub fn begins_life(&mut self) {
        self.births.clear();
    }
}
