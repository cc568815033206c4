//! Instances and actors that will not run again: their messages go to a live sibling, or become dead letters.

use std::sync::atomic::Ordering;

use crate::actor::instance::{Backlog, Instance};
use crate::actor::{Actor, Presence};
use crate::dispatch::routing::Routing;
use crate::mailbox::Page;
use crate::words::dead_letter::DeadReason;

impl Routing {
    /// Retires an instance that will not run again. Its messages go to another instance. After the last instance, these and
    /// all waiting messages become dead letters, and the mailbox is closed. `live`: the instances that go on, one bit each.
    /// Returns the messages that only the store has, which become dead letters as well.
    pub(crate) fn retire(&self, actor: &Actor, instance: &Instance, live: u64) -> Option<Page> {
        let mut unread = None;
        if self.host_ends.load(Ordering::Acquire) && actor.mailbox.is_stored() {
            self.keep_stored(actor, instance);
        } else if !self.move_to_sibling(actor, instance, live) {
            let (waiting, only_stored) = actor.mailbox.close();
            let left = self.without_blamed(actor, instance).into_messages().chain(waiting);
            self.dead_letter(actor, left, &actor.closed_because(), true);
            unread = only_stored;
        }
        self.activity.changed();
        unread
    }

    /// Closes the mailbox at the end of the host. Stored messages wait for the next run; only the others become dead letters.
    fn keep_stored(&self, actor: &Actor, instance: &Instance) {
        let (waiting, unread) = actor.mailbox.close_at_end();
        let left = std::mem::take(&mut *instance.backlog.lock()).into_messages().chain(waiting);
        let (stored, others): (Vec<_>, Vec<_>) = left.partition(|message| message.sequence() != 0);
        let stored = (stored.len() + unread.map_or(0, |unread| unread.most)) as u64;
        actor.mailbox.count_unhandled(stored);
        self.unhandled.fetch_add(stored, Ordering::Relaxed);
        actor.finish(stored);
        self.dead_letter(actor, others, &actor.closed_because(), true);
    }

    /// Moves an instance's messages to a live sibling, or else to one that may be started again; false when there is none.
    pub(crate) fn move_to_sibling(&self, actor: &Actor, instance: &Instance, live: u64) -> bool {
        let Some(sibling) = actor.mailbox.sibling_of(instance.index, live) else { return false };
        let left = self.without_blamed(actor, instance);
        actor.instances[sibling].backlog.lock().inherit(left);
        actor.mailbox.nudge(sibling);
        true
    }

    /// Takes an instance's backlog. The message that the last crash is blamed on gets no further attempt: it becomes a dead
    /// letter.
    fn without_blamed(&self, actor: &Actor, instance: &Instance) -> Backlog {
        let mut left = std::mem::take(&mut *instance.backlog.lock());
        if let Some(report) = instance.last_crash.lock().clone()
            // The attempt is compared too: a repeated ask has the same id as the blamed one.
            && let Some(message) = report.blamed.and_then(|(id, attempt)| left.remove(id, attempt))
        {
            self.dead_letter(actor, [message], &DeadReason::Crashed(report), true);
        }
        left
    }

    /// Removes a spawned actor for good: lookups do not find it, and its waiting messages become dead letters. A stored one is removed
    /// when these have ended: the messages that only the store has are returned, and the caller ends them.
    pub(crate) fn forget(&self, actor: &Actor) -> Option<Page> {
        let stored = actor.member().and_then(|member| member.family.stored.as_ref());
        // At the end of the host it stays, as an actor of the plan does: turns may be about to send to it, and so others must not
        // read it from the store beside them.
        let stays = stored.is_some() && self.host_ends.load(Ordering::Acquire);
        if !stays {
            // It may have entries that are not durable.
            if let Some(stored) = stored {
                stored.leaves(actor.address());
            }
            actor.set_presence(Presence::Gone);
        }
        let mut unread = None;
        for instance in &actor.instances {
            unread = unread.or(self.retire(actor, instance, 0));
        }
        // Those of members are buried before.
        debug_assert!(unread.is_none() || actor.member().is_none(), "{} has messages in the store", actor.address());
        actor.membership.count_out();
        self.unmark_failed(actor);
        if actor.kept_child().is_none() && !stays {
            self.registry.remove(actor);
            self.member_left(actor);
        }
        self.first_start_over(actor);
        unread
    }

    /// Ends the first start of a spawned actor, whether it succeeded or failed.
    pub(crate) fn first_start_over(&self, actor: &Actor) {
        if let Some(spawned) = &actor.spawned
            && spawned.first_start.swap(0, Ordering::AcqRel) == 1
        {
            self.activity.end(1);
        }
    }
}
