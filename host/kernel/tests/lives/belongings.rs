//! The watches and the reports that belong to actors, as the store has them.

use std::collections::{BTreeMap, BTreeSet};

use playhouse_kernel::{EntryNumber, MessageId};

use crate::play::Who;

/// A watch by its actor and its id.
pub type WatchPlace = (u64, u64);

/// A watch as the store has it.
#[derive(Debug, Clone)]
pub struct Row {
    pub target: u64,
    pub is_up: bool,
    pub lasts: bool,
}

#[derive(Default)]
pub struct Watches {
    pub rows: BTreeMap<WatchPlace, Row>,
    /// The entry in which each began, and the life.
    pub begun: BTreeMap<WatchPlace, (EntryNumber, usize)>,
    /// Those with their last notice.
    pub gone: BTreeSet<WatchPlace>,
    /// Those whose targets were up, and in memory, before the last life: they have to be told.
    pub lost: BTreeSet<WatchPlace>,
}

impl Watches {
    /// The last life begins.
    pub fn begin_last_life(&mut self) {
        let lost = self.rows.iter().filter(|(_, row)| row.is_up && !row.lasts);
        self.lost = lost.map(|(place, _)| *place).collect();
    }

    /// The ids of an actor's watches.
    pub fn of(&self, actor: u64) -> Vec<u64> {
        self.rows.range((actor, 0)..=(actor, u64::MAX)).map(|((_, id), _)| *id).collect()
    }
}

#[derive(Default)]
pub struct Outcomes {
    /// The actors that get reports.
    pub wanted_by: BTreeSet<Who>,
    /// The messages of the reports in the store, by actor and number, and the lives in which they came.
    pub waiting: BTreeMap<(u64, u64), (MessageId, usize)>,
    /// The messages whose reports a hook got.
    pub heard: BTreeSet<MessageId>,
}
