//! Stops: a node stops after everything below it, and then its parent decides what follows. Also the end of the play, in
//! order or at once.

use std::time::Duration;

use crate::supervision::events::{Action, Node, ROOT};
use crate::supervision::node::{After, Over, Phase, Turns};
use crate::supervision::tree::{Ending, Tree};
use crate::words::restart::RestartKind;

/// The time for all spawned children of an actor together, with the nodes below them, as a multiple of the time for one
/// child. An actor may spawn a thousand, and those must not make a shutdown last for an hour.
const SHUTDOWNS_OF_SPAWNED: u32 = 4;

impl Tree {
    /// Stops a node after everything below it.
    pub(super) fn bring_down(&mut self, node: Node, after: After) {
        self.clear_timer(node);
        let entry = &mut self.nodes[node];
        entry.enter(Phase::StoppingChildren(after), self.now);
        entry.turns = Some(Turns::stopping(0, Duration::ZERO));
        let time = entry.spec.supervision.shutdown.saturating_mul(SHUTDOWNS_OF_SPAWNED);
        // Spawned children come after those of the manifest, and stop first.
        let last = self.nodes[node].children.last_key_value().map(|(_, &child)| child);
        if last.is_some_and(|last| self.nodes[last].spec.dynamic) {
            self.set_timer(node, time);
        }
        self.advance(node);
    }

    /// Stops the node itself: everything below it is down.
    pub(super) fn stop(&mut self, node: Node, after: After) {
        if node == ROOT {
            self.end_the_play();
        } else if self.nodes[node].alive {
            self.give_time_to_stop(node, after);
            let drain = self.drains(node);
            self.actions.push(Action::Stop { node, drain });
        } else if self.nodes[node].crashed && self.restarts_after(node, After::Crashed) && self.may_drain_first(node) {
            self.drain_first(node);
        } else {
            self.down(node, after);
        }
    }

    fn give_time_to_stop(&mut self, node: Node, after: After) {
        self.nodes[node].enter(Phase::Stopping(after), self.now);
        let time = self.time_to_stop(node);
        self.set_timer(node, time);
    }

    /// The time for one child, or what is left of the time for all spawned children of a stopping actor above it.
    fn time_to_stop(&self, node: Node) -> Duration {
        let mut time = self.nodes[self.parent(node)].spec.supervision.shutdown;
        let mut at = node;
        while self.nodes[at].spec.dynamic {
            at = self.parent(at);
            let above = &self.nodes[at];
            if let Phase::StoppingChildren(_) = above.phase {
                let left = above.timer.map_or(Duration::ZERO, |end| end.saturating_sub(self.now));
                time = time.min(left);
            }
        }
        time
    }

    /// Ends the remaining spawned children of a node, and all nodes below them, all at once: their common time is over.
    pub(super) fn hurry_spawned_below(&mut self, node: Node) {
        let children: Vec<_> = self.nodes[node].children.values().rev().copied().collect();
        for child in children {
            // A child may be removed together with one that ended before it.
            let Some(entry) = self.nodes.get(child).filter(|entry| entry.spec.dynamic) else { continue };
            match entry.phase {
                Phase::Starting | Phase::StartingChildren | Phase::Up => self.bring_down(child, After::Stay),
                Phase::Stopping(_) if entry.timer.is_some() => self.set_timer(child, Duration::ZERO),
                _ => {}
            }
            if self.nodes.get(child).is_some_and(|entry| matches!(entry.phase, Phase::StoppingChildren(_))) {
                self.hurry_spawned_below(child);
            }
        }
    }

    /// Whether the time for all spawned children of a stopping actor is over, and this node is one of them or below one.
    fn is_out_of_time(&self, node: Node) -> bool {
        let mut at = node;
        while self.nodes[at].spec.dynamic {
            at = self.parent(at);
            let above = &self.nodes[at];
            if matches!(above.phase, Phase::StoppingChildren(_)) && above.timer.is_none() {
                return true;
            }
        }
        false
    }

    /// Handles a node that is down with all nodes below it.
    pub(super) fn down(&mut self, node: Node, after: After) {
        self.clear_timer(node);
        if matches!(after, After::Stay | After::Restart) {
            self.note_stable_spell(node);
        }
        self.nodes[node].enter(Phase::Down, self.now);
        self.nodes[node].turns = None;
        let ordered = self.nodes[node].ordered.take().filter(|_| after == After::FailedStart);
        self.stop_waiting_for_children(node, after == After::GaveUp || self.ends_with_play(node));
        match self.nodes[self.parent(node)].phase {
            Phase::Up | Phase::StartingChildren => self.down_below_up(node, after, ordered),
            Phase::StoppingChildren(_) => self.down_below_stopping(node, after),
            // No node runs below a node that is down.
            Phase::Down
            | Phase::Starting
            | Phase::Stopping(_)
            | Phase::BackingOff
            | Phase::AwaitingDirective(_)
            | Phase::Passivated
            | Phase::Waiting
            | Phase::Failed => {}
        }
    }

    /// Handles a node whose parent is up: the restart rules decide what follows.
    fn down_below_up(&mut self, node: Node, after: After, ordered: Option<Phase>) {
        let parent = self.parent(node);
        let (_, in_turn) = self.turn_of(node);
        let entry = &self.nodes[node];
        // The first start is a part of the parent's start. A crash after it is a crash of a running actor.
        let first_start = after == After::FailedStart && !entry.was_up;
        let comes_up = first_start && in_turn && self.nodes[parent].phase == Phase::StartingChildren;
        let spawned = first_start && entry.spec.dynamic && !self.is_member(node);
        if entry.dismissed {
            self.finish(node, Over::ForGood);
        } else if entry.halted {
            // Only an operator starts it.
        } else if self.goes_down_with_group(node) {
            self.pass(node, after != After::Restart);
        } else {
            match after {
                After::Stay => {}
                After::Restart => {
                    self.nodes[node].ordered = Some(Phase::Down);
                    return self.start_alone(node);
                }
                _ if ordered.is_some() => self.ordered_start_failed(node, ordered),
                // Its parent is informed, and no other actor depends on it.
                _ if spawned => {
                    self.actions.push(Action::StartFailed(node));
                    self.finish(node, Over::ForGood);
                }
                _ if comes_up && parent != ROOT => return self.fail_to_come_up(parent, node),
                _ => return self.failed(node, after),
            }
        }
        self.turn_over(parent, node);
    }

    /// Handles a node whose parent stops: it starts only if it still has messages to handle when the play ends.
    fn down_below_stopping(&mut self, node: Node, after: After) {
        let parent = self.parent(node);
        let (_, in_turn) = self.turn_of(node);
        let wanted = !self.nodes[node].halted
            && !self.is_out_of_time(node)
            && after != After::Exited
            && self.restarts_after(node, After::Crashed)
            && self.runs(parent)
            && self.ends_with_play(parent);
        if self.nodes[node].dismissed {
            self.finish(node, Over::ForGood);
        } else if in_turn {
            self.pass(node, true);
        } else if wanted {
            self.nodes[node].enter(Phase::BackingOff, self.now);
            if after.is_failure() {
                self.restart_meanwhile(node, after);
            }
        }
        self.turn_over(parent, node);
    }

    /// Whether it handles waiting messages before it stops, because no later run will.
    pub(super) fn drains(&self, node: Node) -> bool {
        let mut above = Some(node);
        while let Some(at) = above {
            if self.nodes[at].dismissed {
                return true;
            }
            above = self.nodes[at].parent;
        }
        self.ends_with_play(node)
    }

    /// Tells a node that stops for another reason that it now stops for good; the stopping node may be below it.
    pub(super) fn let_drain(&mut self, node: Node) {
        let mut next = self.drains(node).then_some(node);
        while let Some(at) = next {
            let entry = &self.nodes[at];
            next = match entry.phase {
                Phase::StoppingChildren(_) => entry.turns.and_then(|turns| turns.current),
                Phase::Stopping(_) if entry.timer.is_some() => {
                    self.actions.push(Action::Stop { node: at, drain: true });
                    None
                }
                _ => None,
            };
        }
    }

    /// Whether a crash during a stop for good is followed by another run within its time to stop, so that the messages behind
    /// the crash are not lost.
    pub(super) fn may_drain_on(&self, node: Node) -> bool {
        let entry = &self.nodes[node];
        entry.timer.is_some() && entry.spec.kind != RestartKind::Temporary && self.may_drain_first(node)
    }

    /// Whether it drains although it has ended: it was idle, and ended by itself just before it was told to drain.
    pub(super) fn may_drain_after_all(&self, node: Node) -> bool {
        let entry = &self.nodes[node];
        let idle = entry.timer.is_some() && !entry.halted && entry.children.is_empty() && !self.is_out_of_time(node);
        idle && self.drains(node) && self.runs(self.parent(node))
    }

    /// Whether it may still run before its turn in the shutdown, for the actors that stop before it.
    pub(super) fn may_serve_the_end(&self, node: Node) -> bool {
        let parent = self.parent(node);
        self.runs(parent) && self.ends_with_play(parent) && !self.is_out_of_time(node)
    }

    pub(super) fn drain_on(&mut self, node: Node) {
        self.launch(node);
        self.actions.push(Action::Stop { node, drain: true });
    }

    /// Whether it may run once more for waiting messages when it stops for good: with the play, or by its parent's order.
    pub(super) fn may_drain_first(&self, node: Node) -> bool {
        let entry = &self.nodes[node];
        !entry.halted && self.drains(node) && self.runs(self.parent(node)) && !self.is_out_of_time(node)
    }

    /// Drains a node whose turn to stop came while it was down after a crash.
    pub(super) fn drain_first(&mut self, node: Node) {
        self.give_time_to_stop(node, After::Stay);
        self.drain_on(node);
    }

    pub(super) fn shut_down(&mut self) {
        if self.ending != Ending::No {
            return;
        }
        self.ending = Ending::InOrder;
        match self.nodes[ROOT].phase {
            Phase::StoppingChildren(_) => self.let_drain(ROOT),
            _ => self.bring_down(ROOT, After::Stay),
        }
    }

    pub(super) fn kill(&mut self) {
        self.ending = Ending::Now;
        self.timers.clear();
        let nodes: Vec<_> = self.nodes.nodes().filter(|&node| node != ROOT).collect();
        for node in nodes {
            let entry = &mut self.nodes[node];
            // A node that did not stop in time has been killed before.
            let killed = matches!(entry.phase, Phase::Stopping(_)) && entry.timer.is_none();
            if entry.alive && !killed {
                self.actions.push(Action::Kill { node, late: false });
            }
            entry.timer = None;
            entry.turns = None;
            entry.enter(if entry.alive { Phase::Stopping(After::Stay) } else { Phase::Down }, self.now);
        }
        if self.alive == 0 {
            self.end_the_play();
        }
    }

    pub(super) fn end_the_play(&mut self) {
        self.clear_timer(ROOT);
        self.forget_dynamic_below(ROOT);
        self.nodes[ROOT].enter(Phase::Down, self.now);
        self.ending = Ending::Over;
        self.actions.push(Action::Over(self.gave_up));
    }
}
