//! The nodes of each actor in the tree, one for each instance: they are added and removed with the actor.

use std::sync::Arc;

use crate::actor::Actor;
use crate::supervision::events::{Event, Node, NodeSpec};
use crate::supervisor::role::Role;
use crate::supervisor::state::Supervisor;
use crate::words::message::ActorId;

impl Supervisor {
    /// Adds a node to the tree for each instance of an actor; none when its parent has none.
    pub(super) fn place(&mut self, parent: Node, actor: &Arc<Actor>, dynamic: bool) -> Option<Vec<Node>> {
        let mut nodes = Vec::with_capacity(actor.instances.len());
        for instance in &actor.instances {
            let spec = node_spec(actor, dynamic);
            let node = match nodes.first() {
                None => self.tree.add(parent, spec)?,
                Some(&first) => self.tree.add_instance(first, spec)?,
            };
            let (actor, instance) = (actor.clone(), instance.clone());
            let role = Role {
                node,
                actor,
                instance,
                runs: false,
                drains: false,
                was_up: false,
                handled_before: 0,
                passivated: false,
                refused_at: None,
            };
            if self.roles.len() <= node.index() {
                self.roles.resize(node.index() + 1, None);
            }
            self.roles[node.index()] = Some(role);
            nodes.push(node);
        }
        self.nodes.insert(actor.id, nodes.clone());
        Some(nodes)
    }

    /// Adds a spawned child; without a place in the tree it is removed at once.
    pub(super) fn spawned(&mut self, parent: ActorId, child: &Arc<Actor>) -> Vec<Event> {
        let parent = self.nodes.get(&parent).map(|nodes| nodes[0]);
        let Some(nodes) = parent.and_then(|parent| self.place(parent, child, true)) else {
            self.shared.forget_actor(child);
            return Vec::new();
        };
        nodes.into_iter().map(Event::Spawned).collect()
    }

    /// Adds a stored child of an earlier run of the host, after its parent.
    pub(crate) fn bring_back(&mut self, child: &Arc<Actor>) {
        let parent = child.spawned.as_ref().and_then(|spawned| self.nodes.get(&spawned.parent)).map(|nodes| nodes[0]);
        let nodes = parent.and_then(|parent| self.place(parent, child, true));
        for node in nodes.into_iter().flatten() {
            self.tree.note_was_up(node);
        }
    }

    pub(super) fn all_of(&self, actor: ActorId, event: impl Fn(Node) -> Event) -> Vec<Event> {
        self.nodes.get(&actor).into_iter().flatten().copied().map(event).collect()
    }

    pub(super) fn first_start_over(&self, node: Node) {
        if let Some(role) = self.roles[node.index()].as_ref().filter(|role| role.node == node) {
            self.shared.routing.first_start_over(&role.actor);
        }
    }

    /// Removes a node for good, and with its last node the actor.
    pub(super) fn forget(&mut self, node: Node) {
        self.retire(node);
        self.notice_gone(node);
        let Some(role) = self.roles[node.index()].take() else { return };
        let Some(nodes) = self.nodes.get_mut(&role.actor.id) else { return };
        nodes.retain(|&other| other != node);
        if nodes.is_empty() {
            self.nodes.remove(&role.actor.id);
            self.accounted.remove(&role.actor.id);
            self.shared.forget_actor(&role.actor);
        }
    }
}

fn node_spec(actor: &Actor, dynamic: bool) -> NodeSpec {
    let spec = &actor.spec;
    NodeSpec {
        kind: spec.restart.kind,
        backoff: spec.restart.backoff,
        supervision: spec.supervision,
        start: spec.start,
        dynamic,
        lasting: actor.kept_child().is_some() || actor.member().is_some(),
        decides_failures: spec.code.supervises(),
        directive_timeout: spec.limits.timeout,
        cooldown: spec.restart.cooldown,
        required: spec.required,
        isolates: actor.is_head(),
    }
}
