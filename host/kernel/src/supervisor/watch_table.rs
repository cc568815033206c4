//! The watches between actors, by the watched actor and by the watcher.

use std::collections::{BTreeMap, HashMap};

use rustc_hash::FxBuildHasher;

use crate::words::message::ActorId;
use crate::words::notice::Watcher;

/// All watches. Each ends with its watcher's run, or with the watched actor.
#[derive(Default)]
pub(super) struct Watches {
    /// Watches by the watched actor, in the order in which they were set.
    pub(super) of: HashMap<ActorId, Vec<(Watcher, u64)>, FxBuildHasher>,
    /// Watched actors, by watcher and watch.
    pub(super) by: HashMap<Watcher, BTreeMap<u64, ActorId>, FxBuildHasher>,
    /// Number of notices so far: part of their ids.
    pub(super) told: u64,
}

impl Watches {
    pub(super) fn add(&mut self, watcher: Watcher, watch: u64, target: ActorId) {
        self.of.entry(target).or_default().push((watcher, watch));
        self.by.entry(watcher).or_default().insert(watch, target);
    }

    /// Returns the watched actor if this was the last watch of it.
    pub(super) fn remove(&mut self, watcher: Watcher, watch: u64) -> Option<ActorId> {
        let watches = self.by.get_mut(&watcher)?;
        let target = watches.remove(&watch)?;
        if watches.is_empty() {
            self.by.remove(&watcher);
        }
        let of = self.of.get_mut(&target)?;
        of.retain(|other| *other != (watcher, watch));
        let is_last = of.is_empty();
        if is_last {
            self.of.remove(&target);
        }
        is_last.then_some(target)
    }

    /// Returns the actors that nobody watches any more.
    pub(super) fn remove_all_by(&mut self, watcher: Watcher) -> Vec<ActorId> {
        let watches = self.by.get(&watcher).into_iter().flat_map(BTreeMap::keys).copied().collect::<Vec<_>>();
        watches.into_iter().filter_map(|watch| self.remove(watcher, watch)).collect()
    }
}
