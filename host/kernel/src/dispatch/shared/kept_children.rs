//! The end of a stored child that is gone for good: its messages become dead letters, and then the store forgets it, with its state
//! and its timers.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::actor::Actor;
use crate::dispatch::Shared;
use crate::dispatch::kept_children::child_leaves;
use crate::journal::entry::Op;
use crate::journal::order::EntrySpace;

impl Shared {
    /// Removes a spawned actor for good, with its messages.
    pub(crate) fn forget_actor(self: &Arc<Self>, actor: &Arc<Actor>) {
        if let Some(unread) = self.routing.forget(actor) {
            self.dead_letter_unread(actor, unread, actor.closed_because());
        }
        if actor.kept_child().is_some() {
            self.end_child(actor);
        }
    }

    /// Removes a stored child whose mailbox was closed. Its address is free when its messages have ended. At the end of the host it stays.
    pub(crate) fn end_child(self: &Arc<Self>, actor: &Arc<Actor>) {
        let routing = &self.routing;
        let Some(journal) = routing.journal.clone() else { return };
        if routing.host_ends.load(Ordering::Acquire) {
            return;
        }
        routing.enter(&journal, None, EntrySpace::NONE, |draft| child_leaves(draft, actor));
        let (shared, actor, pending) = (self.clone(), actor.clone(), self.activity.guard());
        self.spawn(async move {
            let _pending = pending;
            let unread_tasks = actor.kept_child().map(|kept| std::mem::take(&mut *kept.unread_tasks.lock()));
            for task in unread_tasks.unwrap_or_default() {
                let _ = task.await;
            }
            let routing = &shared.routing;
            // Messages on their way when the mailbox was closed are dead letters then.
            if !routing.all_durable().await || routing.host_ends.load(Ordering::Acquire) {
                return;
            }
            let entered = routing.enter(&journal, None, EntrySpace::NONE, |draft| {
                routing.kept_answers.end_turns(draft, actor.id, 0..u64::MAX);
                routing.kept_watches.end_all_of(draft, actor.id);
                routing.kept_reports.end_all_of(draft, actor.id);
                draft.op(Op::Gone { actor: actor.id });
                // From here on no entry names it.
                routing.registry.remove(&actor);
                routing.kept_timers.forget(actor.id)
            });
            shared.activity.end(entered.value);
        });
    }
}
