//! How far an actor is with its messages: what samples of it compare.

use std::time::Duration;

use crate::actor::Actor;
use crate::words::message::ActorId;

/// How far an actor is with its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The actor.
    pub actor: ActorId,
    /// Messages that were accepted.
    pub accepted: u64,
    /// Messages that ended in any way.
    pub finished: u64,
    /// Messages that were handled.
    pub handled: u64,
    /// CPU time of its code.
    pub cpu: Duration,
}

impl Progress {
    pub(super) fn of(actor: &Actor) -> Self {
        // Read first, so that there are never more ended messages than accepted ones.
        let finished = actor.finished();
        let cpu = actor.resources().unwrap_or_default().cpu;
        Self { actor: actor.id, finished, handled: actor.handled(), cpu, accepted: actor.mailbox.accepted() }
    }
}
