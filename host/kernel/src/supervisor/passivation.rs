//! Actors without an incarnation until a message comes: their mailboxes wake the supervision.

use std::sync::Arc;
use std::task::{Wake, Waker};

use crate::supervision::events::Node;
use crate::supervisor::command::{Command, Commands};
use crate::supervisor::state::Supervisor;
use crate::words::event::LogEvent;
use crate::words::events::StartRefused;

/// The waker in a mailbox that stands for an incarnation.
struct Sleeper {
    node: Node,
    commands: Commands,
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        let _ = self.commands.send(Command::Wanted(self.node));
    }
}

impl Supervisor {
    /// Lets a node sleep without an incarnation until a message comes.
    pub(super) fn passivated(&mut self, node: Node) {
        let waker = self.sleeper(node);
        let Some(role) = self.role_mut(node) else { return };
        let (actor, instance) = (role.actor.clone(), role.instance.clone());
        let has_work = {
            let mut backlog = instance.backlog.lock();
            backlog.shrink();
            backlog.has_work()
        };
        if has_work || !actor.mailbox.sleep(instance.index, waker, None) {
            self.wanted.push(node);
        } else {
            self.may_release(node);
        }
        self.shared.routing.first_start_over(&actor);
    }

    /// Records that the code refused to start after the mailbox had accepted `seen` messages.
    pub(super) fn note_refusal(&mut self, node: Node, seen: u64) {
        let Some(role) = self.role_mut(node) else { return };
        if role.refused_at.replace(seen).is_none() {
            StartRefused { subject: role.about(), waiting: role.actor.waiting() }.log();
        }
    }

    /// Lets a node sleep whose code refused to start: other instances handle the messages that woke it, and the next message
    /// causes another question.
    pub(super) fn waiting(&mut self, node: Node) {
        let waker = self.sleeper(node);
        let Some(role) = self.role_mut(node) else { return };
        let (actor, instance, seen) = (role.actor.clone(), role.instance.index, role.refused_at);
        if !actor.mailbox.sleep(instance, waker, Some(seen.unwrap_or_default())) {
            self.wanted.push(node);
        }
        actor.mailbox.pass_on_to_awake();
    }

    fn sleeper(&self, node: Node) -> Waker {
        Arc::new(Sleeper { node, commands: self.commands.clone() }).into()
    }
}
