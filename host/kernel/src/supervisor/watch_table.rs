//! The watches between actors, by the watched actor and by the watcher.

use std::collections::{BTreeMap, HashMap};

use crate::words::message::ActorId;
use crate::words::notice::Watcher;

/// All watches. Each ends with its watcher's run, or with the watched actor.
#[derive(Default)]
pub(super) struct Watches {
    /// Watches by the watched actor, in the order in which they were set.
    pub(super) of: HashMap<ActorId, Vec<(Watcher, u64)>>,
    /// Watched actors, by watcher and watch.
    pub(super) by: HashMap<Watcher, BTreeMap<u64, ActorId>>,
    /// Number of notices so far: part of their ids.
    pub(super) told: u64,
}

impl Watches {
    pub(super) fn add(&mut self, watcher: Watcher, watch: u64, target: ActorId) {
        self.of.entry(target).or_default().push((watcher, watch));
        self.by.entry(watcher).or_default().insert(watch, target);
    }

    pub(super) fn remove(&mut self, watcher: Watcher, watch: u64) {
        let Some(watches) = self.by.get_mut(&watcher) else { return };
        let Some(target) = watches.remove(&watch) else { return };
        if watches.is_empty() {
            self.by.remove(&watcher);
        }
        if let Some(of) = self.of.get_mut(&target) {
            of.retain(|other| *other != (watcher, watch));
            if of.is_empty() {
                self.of.remove(&target);
            }
        }
    }

    pub(super) fn remove_all_by(&mut self, watcher: Watcher) {
        let watches = self.by.get(&watcher).into_iter().flat_map(BTreeMap::keys).copied().collect::<Vec<_>>();
        for watch in watches {
            self.remove(watcher, watch);
        }
    }
}
