//! What a person says: stop, and start. Nothing but a person's start lifts a person's stop.

use crate::supervision::events::Node;
use crate::supervision::node::{After, Course, Over, Phase};
use crate::supervision::tree::{Ending, Tree};

impl Tree {
    pub(super) fn halt(&mut self, node: Node) {
        self.nodes[node].halted = true;
        match self.nodes[node].phase {
            Phase::BackingOff | Phase::Consulting(_) | Phase::Passivated | Phase::Waiting | Phase::Failed => {
                self.clear_timer(node);
                self.nodes[node].phase = Phase::Down;
                self.reset(node);
                self.turn_over(self.parent(node), node);
            }
            Phase::Down | Phase::StoppingChildren(_) | Phase::Stopping(_) => {}
            Phase::Starting | Phase::StartingChildren | Phase::Up => self.bring_down(node, After::Stay),
        }
    }

    pub(super) fn resume(&mut self, node: Node) {
        if self.ending != Ending::No {
            return;
        }
        if !std::mem::replace(&mut self.nodes[node].halted, false) {
            // Nobody keeps it from running but itself: it starts, or its gate is asked, without a message.
            if matches!(self.nodes[node].phase, Phase::Passivated | Phase::Waiting) {
                self.clear_timer(node);
                self.start_wanted(node);
            } else if self.nodes[node].phase == Phase::Failed {
                self.try_again(node);
            }
            return;
        }
        let entry = &mut self.nodes[node];
        match entry.phase {
            Phase::StoppingChildren(After::Stay) => entry.phase = Phase::StoppingChildren(After::Restart),
            Phase::Stopping(After::Stay) => entry.phase = Phase::Stopping(After::Restart),
            Phase::Down if entry.over == Over::No => {
                entry.in_a_row = 0;
                let place = entry.place;
                let (turns, _) = self.turn_of(node);
                // Who has not had its turn yet is started in its turn.
                if turns.is_none_or(|turns| turns.course != Course::Starting || place < turns.cursor) {
                    self.start_alone(node);
                }
            }
            _ => {}
        }
    }
}
