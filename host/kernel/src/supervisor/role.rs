//! The role of a node in the tree: an instance of an actor.

use std::sync::Arc;

use crate::actor::Actor;
use crate::actor::instance::Instance;
use crate::mailbox::Signal;
use crate::supervision::events::Node;
use crate::words::event::AboutRun;

/// The role of a node: one instance of an actor. The instances of an actor are siblings.
#[derive(Clone)]
#[allow(clippy::struct_excessive_bools)] // each is a fact of its own, and they combine freely
pub(super) struct Role {
    pub(super) node: Node,
    pub(super) actor: Arc<Actor>,
    pub(super) instance: Arc<Instance>,
    /// Whether its incarnation exists.
    pub(super) runs: bool,
    /// Whether it was told to handle waiting messages and to stop.
    pub(super) drains: bool,
    /// Whether it has been up.
    pub(super) was_up: bool,
    /// Number of messages that its actor had handled when its incarnation began.
    pub(super) handled_before: u64,
    /// Whether it was up and has been passivated since: watchers get no notice of its next start.
    pub(super) passivated: bool,
    /// The number of messages that had been accepted when its code refused to start; only later ones cause another question.
    pub(super) refused_at: Option<u64>,
}

impl Role {
    /// Its latest incarnation as the subject of events.
    pub(super) fn about(&self) -> AboutRun<'_> {
        self.actor.about_run(self.instance.incarnation())
    }

    pub(super) fn signal(&self, signal: Signal) {
        self.actor.mailbox.set_signal(self.instance.index, signal);
    }
}
