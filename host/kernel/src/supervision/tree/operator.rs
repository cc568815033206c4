//! An operator's orders: stop, and start. Only an operator's start ends an operator's stop.

use crate::supervision::events::{Action, Node};
use crate::supervision::node::{After, Course, Over, Phase};
use crate::supervision::tree::{Ending, Tree};
use crate::words::state::State;

impl Tree {
    pub(super) fn halt(&mut self, node: Node) {
        let entry = &mut self.nodes[node];
        let was_halted = std::mem::replace(&mut entry.halted, true);
        // The next start is an ordinary one.
        entry.trial = false;
        match self.nodes[node].phase {
            Phase::BackingOff | Phase::AwaitingDirective(_) | Phase::Passivated | Phase::Waiting | Phase::Failed => {
                self.clear_timer(node);
                self.nodes[node].enter(Phase::Down, self.now);
                self.reset(node);
                self.turn_over(self.parent(node), node);
            }
            Phase::Down if !was_halted => self.nodes[node].since = self.now,
            Phase::Down | Phase::StoppingChildren(_) | Phase::Stopping(_) => {}
            Phase::Starting | Phase::StartingChildren | Phase::Up => self.bring_down(node, After::Stay),
        }
    }

    pub(super) fn resume(&mut self, node: Node) {
        if self.ending != Ending::No {
            return;
        }
        let runs_above = matches!(self.nodes[self.parent(node)].phase, Phase::Up | Phase::StartingChildren);
        let halted = std::mem::replace(&mut self.nodes[node].halted, false);
        let (phase, over) = (self.nodes[node].phase, self.nodes[node].over);
        // A start that comes by itself, as at the boot, is no operator's order.
        let ordered = halted && phase == Phase::Down || matches!(phase, Phase::Passivated | Phase::Waiting);
        if runs_above && over == Over::No && ordered {
            self.nodes[node].ordered = Some(phase);
        }
        if !halted {
            // Nothing else delays it: it starts, or its code is asked, without a message.
            if matches!(phase, Phase::Passivated | Phase::Waiting) {
                self.clear_timer(node);
                self.start_wanted(node);
            } else if phase == Phase::Failed && !self.goes_down_with_parent(node) {
                self.try_again(node);
            }
            // An operator does not wait for the pause before a restart.
            if phase == Phase::BackingOff && self.nodes[node].timer.is_some() {
                self.clear_timer(node);
                self.start_alone(node);
            }
            return;
        }
        let entry = &mut self.nodes[node];
        match entry.phase {
            Phase::StoppingChildren(After::Stay) => entry.phase = Phase::StoppingChildren(After::Restart),
            Phase::Stopping(After::Stay) => entry.phase = Phase::Stopping(After::Restart),
            Phase::Down if entry.over == Over::No => {
                entry.forgive();
                let place = entry.place;
                let (turns, _) = self.turn_of(node);
                // An actor that has not had its turn yet is started in its turn.
                if turns.is_none_or(|turns| turns.course != Course::Starting || place < turns.cursor) {
                    self.start_alone(node);
                }
            }
            _ => {}
        }
    }

    /// As after OTP's `restart_child`: the failure does not count, and the actor is in its state from before the order.
    pub(super) fn ordered_start_failed(&mut self, node: Node, before: Option<Phase>) {
        self.actions.push(Action::StartFailed(node));
        if let Some(Phase::Passivated | Phase::Waiting) = before {
            return self.lie_down(node);
        }
        self.nodes[node].halted = true;
        if let Some(failed) = self.failed_beside_last(node) {
            self.fail_as_a_whole(failed);
        }
    }

    /// The state of an actor after a start of it had an outcome; none while the start is under way.
    pub fn outcome_of_start(&self, node: Node) -> Option<State> {
        let entry = self.nodes.get(node)?;
        let under_way = match entry.phase {
            Phase::Starting
            | Phase::StartingChildren
            | Phase::StoppingChildren(_)
            | Phase::Stopping(_)
            | Phase::BackingOff
            | Phase::AwaitingDirective(_) => true,
            Phase::Down => entry.wants_start(),
            Phase::Passivated | Phase::Waiting => entry.wanted,
            Phase::Up | Phase::Failed => false,
        };
        if under_way { None } else { self.view(node).map(|view| view.state) }
    }
}
