//! The children of an actor, as one of its incarnations sees them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::actor::{Actor, KeptChild};

impl Actor {
    /// The extra state of a spawned actor that is stored; none for others.
    pub(crate) fn kept_child(&self) -> Option<&KeptChild> {
        self.spawned.as_ref()?.kept.as_deref()
    }

    /// Whether the store has an id of its own for this actor.
    pub(crate) fn is_known_to_store(&self) -> bool {
        let is_member = self.member().is_some() && self.mailbox.is_stored();
        is_member || self.spawned.as_ref().is_none_or(|spawned| spawned.kept.is_some())
    }

    /// Whether `parent` spawned this actor in an earlier incarnation than this one, and it is not stored.
    pub(crate) fn is_orphan_of(&self, parent: &Self, incarnation: u64) -> bool {
        let spawned = self.spawned.as_ref();
        spawned.is_some_and(|s| s.parent == parent.id && s.kept.is_none() && s.by.load(Ordering::Acquire) < incarnation)
    }

    /// Whether `parent` spawned this actor: in this incarnation, or in any if it is stored.
    pub(crate) fn is_spawned_by(&self, parent: &Self, incarnation: u64) -> bool {
        let spawned = self.spawned.as_ref();
        spawned
            .is_some_and(|s| s.parent == parent.id && (s.kept.is_some() || s.by.load(Ordering::Acquire) == incarnation))
    }

    /// Number of children as seen by an incarnation, including those that are stopping.
    pub(crate) fn count_children(&self, incarnation: u64) -> usize {
        self.children.lock().values().filter(|child| !child.is_orphan_of(self, incarnation)).count()
    }

    /// The names of the children that take messages, as seen by an incarnation, sorted.
    pub(crate) fn names_of_children(&self, incarnation: u64) -> Vec<String> {
        self.children_there(incarnation).iter().map(|child| child.address().name().to_owned()).collect()
    }

    /// The children that take messages, as seen by an incarnation, by name.
    pub(crate) fn children_there(&self, incarnation: u64) -> Vec<Arc<Self>> {
        let children = self.children.lock();
        let there = children.values().filter(|child| child.is_there() && !child.is_orphan_of(self, incarnation));
        there.cloned().collect()
    }

    /// Uncounts the children of earlier incarnations when a new one begins: they are down, and count again when they are
    /// spawned again.
    pub(crate) fn count_orphans_out(&self) {
        if self.membership.subtree().is_none() {
            return;
        }
        let children: Vec<_> = self.children.lock().values().cloned().collect();
        for child in children {
            if child.kept_child().is_some() {
                // It stays a child, with everything below it.
                continue;
            }
            if child.spawned.is_some() {
                child.membership.count_out();
            }
            child.count_orphans_out();
        }
    }
}
