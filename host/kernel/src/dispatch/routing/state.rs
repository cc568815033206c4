//! The state by which a message finds its receiver, and an answer its asker.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::actor::activity::Activity;
use crate::dispatch::ask::Asks;
use crate::dispatch::dead_letters::store::DeadLetters;
use crate::dispatch::registry::Registry;

/// Actors, open asks and dead letters of one kernel. There is no task here: a delivery runs in the sender's task.
pub(crate) struct Routing {
    pub(crate) registry: Registry,
    pub(crate) asks: Asks,
    pub(crate) dead_letters: DeadLetters,
    /// Messages that a mailbox accepted and that ended unhandled, over all current and former actors.
    pub(crate) unhandled: AtomicU64,
    /// Messages that move or end may make the play idle.
    pub(crate) activity: Arc<Activity>,
}
