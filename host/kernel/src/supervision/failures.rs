//! Failures: what a supervisor decides about a child that ended by itself.

use std::time::Duration;

use crate::plan::{RestartKind, Strategy, SupervisionSpec};
use crate::supervision::events::{Action, Directive, Node, ROOT, WhyGaveUp, Window};
use crate::supervision::node::{After, Over, Phase};
use crate::supervision::tree::Tree;

impl Tree {
    /// A child ended by itself. A parent that wants to be asked is asked about failures.
    pub(super) fn failed(&mut self, child: Node, after: After) {
        let parent = self.parent(child);
        let above = &self.nodes[parent];
        if !above.spec.consulted || above.phase != Phase::Up || parent == ROOT || !after.is_failure() {
            return self.decide(child, after, Directive::Default);
        }
        let (parent_incarnation, timeout) = (above.incarnation, above.spec.consult_timeout);
        self.nodes[child].phase = Phase::Consulting(after);
        self.set_timer(child, timeout);
        let incarnation = self.nodes[child].incarnation;
        self.actions.push(Action::Consult { parent, parent_incarnation, child, incarnation });
    }

    /// The parent's answer. Too late, or about an incarnation before, it changes nothing.
    pub(super) fn directed(&mut self, child: Node, incarnation: u64, directive: Directive) {
        let asked = self.nodes.get(child).filter(|entry| entry.incarnation == incarnation).map(|entry| entry.phase);
        if let Some(Phase::Consulting(after)) = asked {
            self.decide(child, after, directive);
        }
    }

    /// What becomes of a child that is down by itself.
    pub(super) fn decide(&mut self, child: Node, after: After, directive: Directive) {
        let parent = self.parent(child);
        // Whom it would concern is going down: the child's turn comes.
        if self.goes_down_with_parent(child) {
            return;
        }
        self.clear_timer(child);
        self.nodes[child].phase = Phase::Down;
        let restarts = match directive {
            Directive::Restart => true,
            Directive::Stop => false,
            Directive::Escalate => return self.give_up(parent, child, WhyGaveUp::Escalated),
            Directive::Default => self.restarts_after(child, after),
        };
        if restarts && self.goes_down_with_group(child) {
            self.pass(child, false);
        } else if restarts {
            self.restart(child, after);
        } else {
            let in_peace = after == After::Exited && self.nodes[child].spec.kind == RestartKind::Transient;
            self.finish(child, if in_peace { Over::InPeace } else { Over::ForGood });
            self.turn_over(parent, child);
        }
    }

    pub(super) fn restarts_after(&self, node: Node, after: After) -> bool {
        match self.nodes[node].spec.kind {
            RestartKind::Permanent => true,
            RestartKind::Transient => after != After::Exited,
            RestartKind::Temporary => false,
        }
    }

    fn restart(&mut self, child: Node, after: After) {
        let parent = self.parent(child);
        let window = self.count(parent);
        if window.restarts > window.intensity {
            return self.give_up(parent, child, WhyGaveUp::TooOften(window));
        }
        let (_, in_turn) = self.turn_of(child);
        // Siblings that run while it comes up by itself never depended on it.
        let alone = after == After::FailedStart && !in_turn;
        let strategy = self.nodes[parent].spec.supervision.strategy;
        let strategy = if alone || self.has_live_instance_beside(child) { Strategy::OneForOne } else { strategy };
        let pause = self.announce_restart(child, window, strategy);
        let entry = &mut self.nodes[child];
        entry.phase = Phase::BackingOff;
        // A crash after its start: its next start belongs to its parent's no more.
        entry.was_up |= after != After::FailedStart;
        match strategy {
            Strategy::OneForAll => self.restart_group(parent, 0, pause),
            Strategy::RestForOne => self.restart_group(parent, self.first_place(child), pause),
            Strategy::OneForOne => self.start_after(child, pause),
        }
    }

    /// Whether another instance of the same actor runs, comes up, or starts with the next message: the actor itself has
    /// not failed.
    fn has_live_instance_beside(&self, node: Node) -> bool {
        self.instances_beside(node).any(|other| {
            let entry = &self.nodes[other];
            match entry.phase {
                Phase::Starting | Phase::StartingChildren | Phase::Up | Phase::Passivated | Phase::Waiting => true,
                // It waits for its first turn.
                Phase::Down => !entry.was_up && entry.wants_start(),
                _ => false,
            }
        })
    }

    /// The place of the first instance of its actor.
    fn first_place(&self, node: Node) -> u64 {
        self.instances_beside(node).chain([node]).map(|node| self.nodes[node].place).min().unwrap_or_default()
    }

    /// The other instances of its actor: they have the places around it.
    fn instances_beside(&self, node: Node) -> impl Iterator<Item = Node> {
        let (first, place) = (self.first_of(node), self.nodes[node].place);
        let children = &self.nodes[self.parent(node)].children;
        let same = move |&(_, &other): &(&u64, &Node)| self.first_of(other) == first;
        let before = children.range(..place).rev().take_while(same);
        let after = children.range(place + 1..).take_while(same);
        before.chain(after).map(|(_, &other)| other)
    }

    /// Names the actor of a node: its first instance, which may be gone.
    pub(super) fn first_of(&self, node: Node) -> Node {
        self.nodes[node].first.unwrap_or(node)
    }

    /// It crashed before its turn in the shutdown, and who stops before it may still send to it. Nobody gives
    /// up any more: one that crashes too often waits for its turn.
    pub(super) fn restart_meanwhile(&mut self, child: Node) {
        let window = self.count(self.parent(child));
        if window.restarts <= window.intensity {
            let pause = self.announce_restart(child, window, Strategy::OneForOne);
            self.start_after(child, pause);
        }
    }

    fn start_after(&mut self, child: Node, pause: Duration) {
        // A timer would round no pause at all up to one of its steps.
        if pause.is_zero() { self.start_alone(child) } else { self.set_timer(child, pause) }
    }

    /// One more restart of a child.
    fn count(&mut self, supervisor: Node) -> Window {
        let now = self.now;
        let entry = &mut self.nodes[supervisor];
        let SupervisionSpec { intensity, period, .. } = entry.spec.supervision;
        while entry.window.front().is_some_and(|&at| at.saturating_add(period) <= now) {
            entry.window.pop_front();
        }
        entry.window.push_back(now);
        let restarts = u32::try_from(entry.window.len()).unwrap_or(u32::MAX);
        Window { restarts, intensity, period }
    }

    fn announce_restart(&mut self, child: Node, window: Window, strategy: Strategy) -> Duration {
        let now = self.now;
        let entry = &mut self.nodes[child];
        let backoff = entry.spec.backoff;
        entry.in_a_row = if entry.was_stable(now) { 1 } else { entry.in_a_row.saturating_add(1) };
        entry.restarts += 1;
        let ceiling = backoff.ceiling(entry.in_a_row);
        let pause = self.jitter(ceiling);
        self.actions.push(Action::RestartIn { node: child, pause, window, strategy });
        pause
    }

    /// A supervisor cannot go on because of a child: it stops its children and fails.
    fn give_up(&mut self, supervisor: Node, child: Node, why: WhyGaveUp) {
        self.actions.push(Action::GaveUp { node: supervisor, child, why });
        self.gave_up |= supervisor == ROOT;
        self.bring_down(supervisor, After::GaveUp);
    }

    /// A supervisor is up only when its children are.
    pub(super) fn fail_to_come_up(&mut self, supervisor: Node, child: Node) {
        self.actions.push(Action::GaveUp { node: supervisor, child, why: WhyGaveUp::FailedStart });
        self.gave_up |= supervisor == ROOT;
        self.bring_down(supervisor, After::FailedStart);
    }
}
