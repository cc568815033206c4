//! Children that are spawned and stopped while the play runs, and the nodes below a node that ends.

use crate::supervision::events::{Action, Node};
use crate::supervision::node::{After, Over, Phase};
use crate::supervision::tree::Tree;

impl Tree {
    /// Starts a child that was just added; if its parent cannot have it any more, the child is removed at once.
    pub(super) fn spawned(&mut self, node: Node) {
        let entry = &self.nodes[node];
        if entry.incarnation > 0 || !entry.spec.dynamic {
            return;
        }
        match self.nodes[self.parent(node)].phase {
            Phase::Starting if !entry.orphan => {} // It starts in its turn, after its parent.
            Phase::Up | Phase::StartingChildren => self.start_alone(node),
            _ if entry.spec.lasting => {} // It starts with its parent.
            _ => self.forget(node),
        }
    }

    /// Makes an orphan a child again, the last one.
    pub(super) fn adopted(&mut self, node: Node) {
        let parent = self.parent(node);
        if !self.nodes[node].orphan || self.nodes[parent].phase != Phase::Starting {
            return;
        }
        let place = self.next_place();
        let entry = &mut self.nodes[node];
        entry.orphan = false;
        let before = std::mem::replace(&mut entry.place, place);
        let children = &mut self.nodes[parent].children;
        children.remove(&before);
        children.insert(place, node);
    }

    /// The parent stops a child for good. A child that waits for its restart handles its messages first.
    pub(super) fn dismiss(&mut self, node: Node) {
        let parent = self.parent(node);
        let restarts = match self.nodes[node].phase {
            Phase::BackingOff => true,
            Phase::AwaitingDirective(after) => self.restarts_after(node, after),
            Phase::Passivated | Phase::Waiting => self.nodes[node].wanted,
            _ => false,
        };
        if restarts {
            self.nodes[node].dismissed = true;
            if self.may_drain_first(node) {
                return self.drain_first(node);
            }
        }
        match self.nodes[node].phase {
            Phase::Down
            | Phase::BackingOff
            | Phase::AwaitingDirective(_)
            | Phase::Passivated
            | Phase::Waiting
            | Phase::Failed => {
                self.finish(node, Over::ForGood);
                self.turn_over(parent, node);
            }
            Phase::Starting | Phase::StartingChildren | Phase::Up => {
                self.nodes[node].dismissed = true;
                self.bring_down(node, After::Stay);
            }
            Phase::StoppingChildren(_) | Phase::Stopping(_) => {
                self.nodes[node].dismissed = true;
                self.let_drain(node);
            }
        }
    }

    /// Ends a node that is down. A dynamic node is removed; another one keeps its place, and its parent's next start starts
    /// it again.
    pub(super) fn finish(&mut self, node: Node, over: Over) {
        self.clear_timer(node);
        if self.nodes[node].spec.dynamic {
            return self.forget(node);
        }
        let entry = &mut self.nodes[node];
        entry.enter(Phase::Down, self.now);
        entry.failed = None;
        entry.over = over;
        entry.dismissed = false;
        self.retire(node);
    }

    /// Retires a node and all nodes below it: they do not run again until the parent starts.
    fn retire(&mut self, node: Node) {
        for child in self.children_last_first(node) {
            if self.nodes[child].belongs_to_run() { self.forget(child) } else { self.retire(child) }
        }
        if !std::mem::replace(&mut self.nodes[node].retired, true) {
            self.actions.push(Action::Retire(node));
        }
    }

    /// Undoes [`Tree::finish`]: the node may run again.
    pub(super) fn revive(&mut self, node: Node) {
        let entry = &mut self.nodes[node];
        entry.over = Over::No;
        if std::mem::replace(&mut entry.retired, false) {
            self.actions.push(Action::Revive(node));
            self.revive_children(node);
        }
    }

    /// As OTP does, a supervisor starts with all the children of its plan, also with those that had ended.
    pub(super) fn revive_children(&mut self, node: Node) {
        let ended = |&child: &Node| self.nodes[child].over != Over::No || self.nodes[child].retired;
        let ended: Vec<_> = self.nodes[node].children.values().copied().filter(ended).collect();
        for child in ended {
            self.revive(child);
        }
    }

    /// Removes a node that is down, after the nodes below it.
    fn forget(&mut self, node: Node) {
        for child in self.children_last_first(node) {
            self.forget(child);
        }
        let entry = &self.nodes[node];
        debug_assert!(!entry.alive && entry.timer.is_none(), "forgotten while it runs or waits");
        let (parent, place) = (self.parent(node), entry.place);
        self.nodes[parent].children.remove(&place);
        self.forget_uncounted(parent, node);
        self.nodes.remove(node);
        self.actions.push(Action::Forget(node));
    }

    /// Ends an incarnation's hold on its children: spawned children wait until the next incarnation spawns them again, or are
    /// removed.
    pub(super) fn stop_waiting_for_children(&mut self, node: Node, forget: bool) {
        for child in self.children_last_first(node) {
            let entry = &mut self.nodes[child];
            entry.was_up &= entry.spec.lasting;
            entry.ordered = None;
            entry.orphan = entry.belongs_to_run();
            if forget && entry.orphan {
                self.forget(child);
            }
        }
    }

    /// Removes the children that the new incarnation did not spawn again before it was up.
    pub(super) fn forget_orphans(&mut self, node: Node) {
        for child in self.children_last_first(node) {
            if self.nodes[child].orphan {
                self.forget(child);
            }
        }
    }

    pub(super) fn forget_dynamic_below(&mut self, node: Node) {
        for child in self.children_last_first(node) {
            if self.nodes[child].belongs_to_run() { self.forget(child) } else { self.forget_dynamic_below(child) }
        }
    }

    fn children_last_first(&self, node: Node) -> Vec<Node> {
        self.nodes[node].children.values().rev().copied().collect()
    }
}
