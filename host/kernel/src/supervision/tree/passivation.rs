//! Passivation and refused starts: actors without an incarnation, until a message comes. One was idle, or has not run yet: it
//! is passivated. Another's code refused to start: it waits.

use std::time::Duration;

use crate::supervision::events::{Action, Node, ROOT};
use crate::supervision::node::{Entry, Over, Phase};
use crate::supervision::tree::Tree;

impl Tree {
    /// Passivates a node whose incarnation ended, in order and by itself, without a failure and without children.
    pub(super) fn passivate(&mut self, node: Node) {
        self.note_stable_spell(node);
        let entry = &mut self.nodes[node];
        entry.up_since = None;
        entry.turns = None;
        entry.was_up = true;
        self.lie_down(node);
        self.turn_over(self.parent(node), node);
    }

    pub(super) fn lie_down(&mut self, node: Node) {
        let entry = &mut self.nodes[node];
        entry.enter(Phase::Passivated, self.now);
        entry.wanted = false;
        if entry.ordered.is_some() {
            self.ordered_passivated.push(node);
        }
        self.actions.push(Action::Passivated(node));
        if self.is_member(node) && self.window_of(node, self.now).restarts > 0 {
            self.set_timer(node, self.period_above(node));
        }
    }

    /// Whether it is a member of a family.
    pub(super) fn is_member(&self, node: Node) -> bool {
        let parent = self.parent(node);
        parent != ROOT && self.isolates(parent)
    }

    /// Whether a member of a family may leave the memory: it is passivated, no message came, and no failure of it counts.
    pub fn may_be_released(&self, node: Node) -> bool {
        let is_passivated = |entry: &Entry| entry.phase == Phase::Passivated && !entry.wanted && !entry.halted;
        self.nodes.get(node).is_some_and(is_passivated) && self.window_of(node, self.now).restarts == 0
    }

    /// Removes a member of a family that leaves the memory.
    pub(super) fn released(&mut self, node: Node) {
        if self.may_be_released(node) {
            self.finish(node, Over::ForGood);
        }
    }

    /// Handles a refused start. The code is asked again after the time that it gave, and when a message comes; but not before
    /// a pause is over, which grows with each refusal in a row as the pause before a restart does. So a flood of messages
    /// does not start it in a loop.
    pub(super) fn refused(&mut self, node: Node, recheck: Option<Duration>) {
        let now = self.now;
        let entry = &mut self.nodes[node];
        let refusals = entry.past().refusals.saturating_add(1);
        let pause = entry.spec.backoff.ceiling(refusals).max(SHORTEST_PAUSE);
        (entry.history().refusals, entry.history().asked_again) = (refusals, now.saturating_add(pause));
        entry.enter(Phase::Waiting, self.now);
        entry.wanted = false;
        entry.ordered = None;
        if let Some(recheck) = recheck {
            self.set_timer(node, recheck.max(pause));
        }
        self.stop_waiting_for_children(node, self.ends_with_play(node));
        self.actions.push(Action::Waiting(node));
        // Its siblings start without waiting for it.
        self.turn_over(self.parent(node), node);
    }

    /// Ends the orders for actors that are passivated and for which no message waits: a later start is no operator's start.
    pub fn end_orders_of_passivated(&mut self) {
        for node in std::mem::take(&mut self.ordered_passivated) {
            if let Some(entry) = self.nodes.get_mut(node).filter(|entry| entry.rests()) {
                entry.ordered = None;
            }
        }
    }

    /// Handles a message for a node without an incarnation.
    pub(super) fn wanted(&mut self, node: Node) {
        let entry = &self.nodes[node];
        match entry.phase {
            Phase::Passivated => {
                self.clear_timer(node);
                self.start_wanted(node);
            }
            Phase::Waiting if entry.past().asked_again <= self.now => {
                self.clear_timer(node);
                self.start_wanted(node);
            }
            Phase::Waiting => {
                let asked_again = entry.past().asked_again;
                let pause = asked_again.saturating_sub(self.now);
                if entry.timer.is_none_or(|at| at > asked_again) {
                    self.set_timer(node, pause);
                }
                self.nodes[node].wanted = true;
            }
            _ => {}
        }
    }

    /// Starts a node as soon as its parent and its siblings allow it.
    pub(super) fn start_wanted(&mut self, node: Node) {
        self.nodes[node].wanted = true;
        self.start_alone(node);
    }
}

/// The shortest time between two questions to an actor's code whether it starts, whatever `backoff` says.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
