//! The policies of mailboxes: each is driven by a task that acts for the mailbox's actor.

use std::sync::Arc;
use std::time::Duration;

use crate::actor::Actor;
use crate::dispatch::Shared;
use crate::mailbox::Mailbox;
use crate::mailbox::admission::Slot;
use crate::mailbox::driver::{Owner, driver};
use crate::words::clock::Clock;
use crate::words::dead_letter::DeadReason;
use crate::words::event::{AboutActor, Described};
use crate::words::message::Message;
use crate::words::resource_use::ResourceUse;

/// Starts the policy driver of an actor's mailbox, if it has a policy. Called when lookups begin to find the actor, and again
/// whenever the mailbox is reopened.
pub(crate) fn attend(shared: &Arc<Shared>, actor: &Arc<Actor>) {
    let Some(policy) = actor.spec.policy.as_deref() else { return };
    let owner = PolicyOwner { shared: shared.clone(), actor: actor.clone() };
    if let Some(driver) = driver(owner, policy.clone()) {
        shared.spawn(driver);
    }
}

struct PolicyOwner {
    shared: Arc<Shared>,
    actor: Arc<Actor>,
}

impl Owner for PolicyOwner {
    fn about(&self) -> AboutActor<'_> {
        self.actor.about()
    }

    fn mailbox(&self) -> &Mailbox {
        &self.actor.mailbox
    }

    fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    fn resource_use(&self) -> Arc<ResourceUse> {
        self.actor.resource_use().clone()
    }

    /// Leaves enough slots for all instances of the actor, so that none waits for its own policy.
    fn admission(&self) -> Result<Slot, String> {
        Slot::take_now(self.shared.bounds_of_policy(&self.actor), self.actor.instances.len())
    }

    fn pause(&self, ceiling: Duration) -> Duration {
        self.shared.jitter.below(ceiling)
    }

    fn dead_letter(&self, dropped: Vec<Message>, reason: &DeadReason) {
        self.shared.routing.dead_letter(&self.actor, dropped, reason, true);
        self.shared.activity.changed();
    }
}
