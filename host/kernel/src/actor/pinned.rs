//! An actor in use by a sender.

use std::ops::Deref;
use std::sync::Arc;

use crate::actor::Actor;

/// An actor that a message is about to be sent to. A member of a family stays in memory meanwhile.
pub(crate) struct Pinned(Arc<Actor>);

impl Pinned {
    /// The caller holds the lock under which members leave the memory, or has another `Pinned` of the same actor.
    pub(crate) fn new(actor: Arc<Actor>) -> Self {
        if let Some(member) = actor.member() {
            member.pin();
        }
        Self(actor)
    }
}

impl Deref for Pinned {
    type Target = Arc<Actor>;

    fn deref(&self) -> &Arc<Actor> {
        &self.0
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if let Some(member) = self.0.member() {
            member.unpin(self.0.id);
        }
    }
}
