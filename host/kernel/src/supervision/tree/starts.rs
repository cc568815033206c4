//! Starts: of one actor, of a supervisor's children, and of one child beside its siblings.

use crate::supervision::events::{Action, Node};
use crate::supervision::node::{Course, Phase, Turns};
use crate::supervision::tree::Tree;
use crate::words::restart::Strategy;

impl Tree {
    pub(super) fn start(&mut self, node: Node) {
        self.clear_timer(node);
        let entry = &mut self.nodes[node];
        entry.enter(Phase::Starting, self.now);
        entry.up_since = None;
        entry.wanted = false;
        // A new incarnation is a new supervisor: earlier failures of its children do not count.
        entry.window.clear();
        self.revive_children(node);
        self.launch(node);
    }

    /// Makes a new incarnation, in any phase.
    pub(super) fn launch(&mut self, node: Node) {
        let entry = &mut self.nodes[node];
        debug_assert!(!entry.alive, "two incarnations of one actor");
        if entry.incarnation == 0 {
            entry.first_start = self.now;
        }
        entry.alive = true;
        entry.crashed = false;
        entry.incarnation += 1;
        self.actions.push(Action::Start(node, entry.incarnation));
        self.alive += 1;
    }

    /// Starts the children of a node that is up itself.
    pub(super) fn start_children(&mut self, node: Node) {
        let entry = &mut self.nodes[node];
        entry.enter(Phase::StartingChildren, self.now);
        entry.turns = Some(Turns::starting(0));
        self.advance(node);
    }

    /// Starts a child by itself, unless siblings must stop or start first: then it waits for its turn.
    pub(super) fn start_alone(&mut self, node: Node) {
        let parent = self.parent(node);
        let above = &self.nodes[parent];
        let place = self.nodes[node].place;
        let ready = match (above.phase, above.turns) {
            (Phase::Up | Phase::StartingChildren, None) => true,
            (Phase::Up | Phase::StartingChildren, Some(turns)) => match turns.course {
                // With one-for-one, no sibling depends on the order.
                Course::Starting => place < turns.cursor || above.spec.supervision.strategy == Strategy::OneForOne,
                Course::Stopping | Course::Pausing => place < turns.from,
            },
            // The play ends, and actors that stop before this one may still send to it.
            (Phase::StoppingChildren(_), Some(turns)) => place < turns.cursor && self.may_serve_the_end(node),
            _ => false,
        };
        if ready && self.nodes[node].wants_start() {
            if self.nodes[node].starts_passivated() {
                self.lie_down(node);
                self.turn_over(parent, node);
            } else {
                self.start(node);
            }
        }
    }
}
