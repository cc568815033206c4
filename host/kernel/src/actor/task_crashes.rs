//! Crashes that an actor's code has beside its turns: of its tasks, or because another actor ended the instance that both share. They
//! end the incarnation as a crash in a turn does, and blame no message.

use std::sync::Arc;

use crate::actor::Actor;
use crate::actor::instance::Instance;
use crate::words::crash::Crash;

/// The way of such crashes to one incarnation. Made by [`crate::Turn::task_crashes`].
pub struct TaskCrashes {
    actor: Arc<Actor>,
    instance: Arc<Instance>,
    incarnation: u64,
}

impl TaskCrashes {
    pub(crate) fn new(actor: Arc<Actor>, instance: Arc<Instance>, incarnation: u64) -> Self {
        Self { actor, instance, incarnation }
    }

    /// Ends the incarnation before its next turn. Without effect if it is over; the first crash counts.
    pub fn report(&self, crash: Crash) {
        let mut backlog = self.instance.backlog.lock();
        if self.instance.incarnation() == self.incarnation {
            backlog.rare.get_or_insert_default().task_crashed(crash);
        }
        drop(backlog);
        self.actor.mailbox.nudge(self.instance.index);
    }
}
