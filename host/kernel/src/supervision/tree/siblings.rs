//! Children one after another: they start in order and stop in reverse order. One child at a time has its turn to start or
//! stop; the next turn begins when the current one is over.

use std::time::Duration;

use crate::supervision::events::{Action, Node, ROOT};
use crate::supervision::node::{After, Course, Over, Phase, Turns};
use crate::supervision::tree::{Ending, Tree};
use crate::words::restart::RestartKind;

impl Tree {
    /// Continues the turns of the children of `parent`, until one of them takes time.
    pub(super) fn advance(&mut self, parent: Node) {
        loop {
            let entry = &mut self.nodes[parent];
            let Some(turns) = entry.turns.as_mut().filter(|turns| turns.current.is_none()) else { return };
            let next = match turns.course {
                Course::Stopping => entry.children.range(turns.from..turns.cursor).next_back(),
                Course::Pausing => return,
                Course::Starting => entry.children.range(turns.cursor..).next(),
            };
            match (turns.course, next.map(|(&place, &child)| (place, child))) {
                (Course::Starting, Some((place, child))) => {
                    turns.cursor = place + 1;
                    if !self.nodes[child].wants_start() {
                        // This child does not start now.
                    } else if self.nodes[child].starts_passivated() {
                        self.lie_down(child);
                    } else {
                        self.set_current(parent, Some(child));
                        self.start(child);
                    }
                }
                (Course::Starting, None) => return self.all_up(parent),
                (_, Some((place, child))) => {
                    turns.cursor = place;
                    self.set_current(parent, Some(child));
                    if !self.take_down(child) {
                        self.set_current(parent, None);
                    }
                }
                (_, None) => return self.all_down(parent),
            }
        }
    }

    fn set_current(&mut self, parent: Node, child: Option<Node>) {
        if let Some(turns) = &mut self.nodes[parent].turns {
            turns.current = child;
        }
    }

    /// Ends the turn of this child, if it has it, and goes on to the next child. The child itself may be removed.
    pub(super) fn turn_over(&mut self, parent: Node, child: Node) {
        if self.nodes[parent].turns.is_some_and(|turns| turns.current == Some(child)) {
            self.set_current(parent, None);
            self.advance(parent);
        }
    }

    /// Handles the end of the starts: the children that had to start are up.
    fn all_up(&mut self, parent: Node) {
        let now = self.now;
        let entry = &mut self.nodes[parent];
        entry.turns = None;
        if entry.phase != Phase::StartingChildren {
            return;
        }
        entry.enter(Phase::Up, self.now);
        entry.up_since = Some(now);
        entry.was_up = true;
        entry.ordered = None;
        if parent != ROOT {
            self.turn_over(self.parent(parent), parent);
        } else if !self.booted {
            self.booted = true;
            self.actions.push(Action::Booted);
        }
    }

    /// Handles the end of the stops: the children that had to stop are down.
    fn all_down(&mut self, parent: Node) {
        if let Phase::StoppingChildren(after) = self.nodes[parent].phase {
            self.nodes[parent].turns = None;
            return self.stop(parent, after);
        }
        let Some(turns) = &mut self.nodes[parent].turns else { return };
        turns.course = Course::Pausing;
        let pause = turns.pause;
        // A timer would round a pause of zero up to one of its steps.
        if pause.is_zero() { self.start_group(parent) } else { self.set_timer(parent, pause) }
    }

    /// Stops a child in its turn. False when it is down already.
    fn take_down(&mut self, child: Node) -> bool {
        match self.nodes[child].phase {
            Phase::Starting | Phase::StartingChildren | Phase::Up => self.bring_down(child, After::Stay),
            Phase::StoppingChildren(_) | Phase::Stopping(_) => self.let_drain(child),
            Phase::BackingOff if self.may_drain_first(child) => self.drain_first(child),
            Phase::AwaitingDirective(after) if self.restarts_after(child, after) && self.may_drain_first(child) => {
                self.drain_first(child);
            }
            // A message came, but could not start it yet.
            Phase::Passivated | Phase::Waiting if self.nodes[child].wanted && self.may_drain_first(child) => {
                self.drain_first(child);
            }
            Phase::Down
            | Phase::BackingOff
            | Phase::AwaitingDirective(_)
            | Phase::Passivated
            | Phase::Waiting
            | Phase::Failed => {
                let failed = matches!(self.nodes[child].phase, Phase::AwaitingDirective(_));
                self.pass(child, failed);
                return false;
            }
        }
        true
    }

    /// Handles a child that is down as it should be, in its turn or before. `ran`: whether it ran until now.
    pub(super) fn pass(&mut self, child: Node, ran: bool) {
        let stays = !self.goes_down_with_parent(child);
        if stays && (self.nodes[child].rests() || self.nodes[child].phase == Phase::Failed) {
            // A restart of its siblings does not concern it.
            return;
        }
        self.clear_timer(child);
        if stays {
            return self.wait_for_group(child, ran);
        }
        self.nodes[child].enter(Phase::Down, self.now);
        self.nodes[child].failed = None;
        if self.ends_with_play(child) {
            self.finish(child, Over::ForGood);
        }
    }

    pub(super) fn goes_down_with_parent(&self, child: Node) -> bool {
        matches!(self.nodes[self.parent(child)].phase, Phase::StoppingChildren(_))
    }

    /// Lets a child that is down wait for its turn to start with the siblings that restart together.
    fn wait_for_group(&mut self, child: Node, ran: bool) {
        let entry = &mut self.nodes[child];
        if ran && entry.spec.kind == RestartKind::Temporary {
            return self.finish(child, Over::ForGood);
        }
        if entry.over == Over::InPeace {
            self.revive(child);
        }
        let entry = &mut self.nodes[child];
        let starts = !entry.halted && entry.over == Over::No;
        entry.enter(if starts { Phase::BackingOff } else { Phase::Down }, self.now);
    }

    /// Restarts siblings together: those from this place on stop, wait for the pause, and start.
    pub(super) fn restart_group(&mut self, parent: Node, from: u64, pause: Duration) {
        self.clear_timer(parent);
        let turns = match self.nodes[parent].turns {
            // A group of siblings is stopping or down already, and a failed sibling outside the group extends it.
            Some(turns) if turns.course != Course::Starting => {
                Turns { course: Course::Stopping, from, pause: turns.pause.max(pause), ..turns }
            }
            _ => Turns::stopping(from, pause),
        };
        self.nodes[parent].turns = Some(turns);
        self.advance(parent);
    }

    /// Starts the group after its pause.
    pub(super) fn start_group(&mut self, parent: Node) {
        if let Some(turns) = self.nodes[parent].turns.filter(|turns| turns.course == Course::Pausing) {
            self.nodes[parent].turns = Some(Turns::starting(turns.from));
            self.advance(parent);
        }
    }

    /// Whether it stops now because the play ends: it, and all nodes above it, have their turns in the shutdown.
    pub(super) fn ends_with_play(&self, node: Node) -> bool {
        let mut at = node;
        while let Some(parent) = self.nodes[at].parent {
            let above = &self.nodes[parent];
            let in_turn = above.turns.is_some_and(|turns| turns.current == Some(at));
            if !in_turn || !matches!(above.phase, Phase::StoppingChildren(_)) {
                return false;
            }
            at = parent;
        }
        self.ending == Ending::InOrder
    }
}
