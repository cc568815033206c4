//! Actors that failed too often: the error for their askers, and the messages that the play does not wait for.

use std::sync::Arc;

use crate::actor::Actor;
use crate::dispatch::routing::Routing;
use crate::words::failed::{FailedActor, never};

impl Routing {
    /// Marks the actor as failed. Its askers get an error. Its messages, and its reports about earlier messages, keep the
    /// play from being idle only if a trial start is due.
    pub(crate) fn mark_failed(&self, actor: &Actor, failed: &Arc<FailedActor>) {
        *actor.failed.lock() = Some(failed.clone());
        let never = never();
        for instance in &actor.instances {
            *instance.back_at.lock() = Some(never);
            if failed.trial_at.is_none() {
                instance.backlog.lock().wait_for_operator();
            }
        }
        self.asks.answer_those_before(actor.id, never, &actor.not_back_in_time());
        if failed.trial_at.is_none() {
            self.activity.failed_for_good.lock().insert(actor.id);
        }
        self.first_start_over(actor);
        self.activity.changed();
    }

    /// Ends the state `failed`: the actor is tried again, stopped, or started.
    pub(crate) fn unmark_failed(&self, actor: &Actor) {
        if actor.failed.lock().take().is_none() {
            return;
        }
        for instance in &actor.instances {
            *instance.back_at.lock() = None;
            // This comes before the play waits for the actor's messages again.
            instance.backlog.lock().operator_came(&self.activity);
        }
        self.activity.failed_for_good.lock().remove(&actor.id);
    }

    /// Whether no actor has a message waiting or in process, and none will come by itself. Messages to an actor without a
    /// trial start do not count. The result is sound although all actors go on: ends are counted before begins, both only
    /// grow, and nothing ends before its effects began. No actor is removed from `failed_for_good` meanwhile, since that
    /// takes the lock.
    pub(crate) fn is_idle(&self) -> bool {
        let aside = self.activity.failed_for_good.lock();
        let counts = |actor: &Actor| aside.is_empty() || !aside.contains(&actor.id);
        let ended = self.activity.ended();
        let finished = self.registry.total(|actor| if counts(actor) { actor.finished() } else { 0 });
        let accepted = self.registry.total(|actor| if counts(actor) { actor.mailbox.accepted() } else { 0 });
        let begun = self.activity.begun();
        finished == accepted && begun == ended
    }
}
