//! Rest: actors that live on without an incarnation, until a message comes. One had nothing to do, or has not had yet:
//! it is passivated. Another's gate did not let it start: it waits.

use std::time::Duration;

use crate::supervision::events::{Action, Node};
use crate::supervision::node::Phase;
use crate::supervision::tree::Tree;

impl Tree {
    /// Its incarnation ended, in order and by itself: no failure, and nothing below it.
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
        entry.phase = Phase::Passivated;
        entry.wanted = false;
        if entry.ordered.is_some() {
            self.ordered_at_rest.push(node);
        }
        self.actions.push(Action::Passivated(node));
    }

    /// Its gate did not let it start. It is asked again after the time that it gave, and when a message comes; but not
    /// before a pause is over, which grows with each refusal in a row as that before a restart does: however many
    /// messages come, the gate is not asked in circles.
    pub(super) fn refused(&mut self, node: Node, recheck: Option<Duration>) {
        let now = self.now;
        let entry = &mut self.nodes[node];
        let refusals = entry.past().refusals.saturating_add(1);
        let pause = entry.spec.backoff.ceiling(refusals).max(SHORTEST_PAUSE);
        (entry.history().refusals, entry.history().asked_again) = (refusals, now.saturating_add(pause));
        entry.phase = Phase::Waiting;
        entry.wanted = false;
        entry.ordered = None;
        if let Some(recheck) = recheck {
            self.set_timer(node, recheck.max(pause));
        }
        self.leave_children(node, self.ends_with_play(node));
        self.actions.push(Action::Waiting(node));
        // Nobody has to wait for it: its siblings start without it.
        self.turn_over(self.parent(node), node);
    }

    /// The orders of actors that are passivated, and for which no message waits, are carried out: what starts them later is
    /// no operator's start.
    pub fn end_orders_at_rest(&mut self) {
        for node in std::mem::take(&mut self.ordered_at_rest) {
            if let Some(entry) = self.nodes.get_mut(node).filter(|entry| entry.rests()) {
                entry.ordered = None;
            }
        }
    }

    /// A message came.
    pub(super) fn wanted(&mut self, node: Node) {
        let entry = &self.nodes[node];
        match entry.phase {
            Phase::Passivated => self.start_wanted(node),
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

    /// Starts it as soon as its parent and its siblings let it.
    pub(super) fn start_wanted(&mut self, node: Node) {
        self.nodes[node].wanted = true;
        self.start_alone(node);
    }
}

/// A gate is not asked more often, whatever `backoff` says.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
