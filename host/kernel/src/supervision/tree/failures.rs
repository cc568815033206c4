//! Failures: the decisions of a supervisor about a child that ended by itself.

use std::time::Duration;

use crate::supervision::events::{Action, Node, ROOT};
use crate::supervision::node::{After, Over, Phase};
use crate::supervision::tree::Tree;
use crate::supervision::window::Tally;
use crate::words::failure::{Directive, Fault, WhyGaveUp, Window};
use crate::words::restart::{RestartKind, Strategy, SupervisionSpec};

/// Number of handled messages, for each failure in the window, that are a success: the backoff begins again.
const HANDLED_FOR_A_FAILURE: u64 = 10;

/// A failure of a child that was counted.
#[derive(Clone, Copy)]
pub(super) struct Failure {
    pub(super) window: Window,
    pub(super) fault: Fault,
    /// Number of failures, including this one, without a handled message or a stable time between them.
    pub(super) fruitless: u32,
    /// Whether it was up for a whole period before.
    pub(super) stable: bool,
    /// Number of messages that it and the actors below it handled since the failure before.
    pub(super) handled: u64,
}

impl Tree {
    /// Handles a child that ended by itself. A parent that wants it is asked about failures.
    pub(super) fn failed(&mut self, child: Node, after: After) {
        let parent = self.parent(child);
        let above = &self.nodes[parent];
        if !above.spec.decides_failures || above.phase != Phase::Up || parent == ROOT || !after.is_failure() {
            return self.decide(child, after, Directive::Default);
        }
        let (parent_incarnation, timeout) = (above.incarnation, above.spec.directive_timeout);
        self.nodes[child].enter(Phase::AwaitingDirective(after), self.now);
        self.set_timer(child, timeout);
        let incarnation = self.nodes[child].incarnation;
        self.actions.push(Action::RequestDirective { parent, parent_incarnation, child, incarnation });
    }

    /// Handles the parent's answer. A late answer, or one about an earlier incarnation, has no effect.
    pub(super) fn directed(&mut self, child: Node, incarnation: u64, directive: Directive) {
        let asked = self.nodes.get(child).filter(|entry| entry.incarnation == incarnation).map(|entry| entry.phase);
        if let Some(Phase::AwaitingDirective(after)) = asked {
            self.decide(child, after, directive);
        }
    }

    /// Decides about a child that is down by itself.
    pub(super) fn decide(&mut self, child: Node, after: After, directive: Directive) {
        let parent = self.parent(child);
        // The parent is stopping: the child follows in its turn.
        if self.goes_down_with_parent(child) {
            return;
        }
        self.clear_timer(child);
        self.nodes[child].enter(Phase::Down, self.now);
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
            let required = self.nodes[child].spec.required && !self.has_instance_beside_that_goes_on(child);
            if parent == ROOT && after.is_failure() && required {
                return self.give_up(ROOT, child, WhyGaveUp::Ended);
            }
            let failed = self.failed_beside_last(child);
            self.finish(child, if in_peace { Over::InPeace } else { Over::ForGood });
            if let Some(failed) = failed {
                self.fail_as_a_whole(failed);
            }
            self.turn_over(parent, child);
            self.end_if_all_failed();
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
        let failure = self.count(child, after);
        if failure.fault == Fault::Another {
            // It is restarted by the same rules, but it is not given up.
        } else if self.isolates(parent) {
            if let Some(why) = self.opens_circuit(child, after, failure) {
                return self.fail(child, why);
            }
        } else if failure.window.restarts > failure.window.intensity {
            return self.give_up(parent, child, WhyGaveUp::TooOften(failure.window));
        }
        let (_, in_turn) = self.turn_of(child);
        // Siblings that run during its own start do not depend on it yet; at the boot they do not wait for it.
        let alone = parent == ROOT && !self.nodes[child].was_up || after == After::FailedStart && !in_turn;
        // Where the siblings restart as well, the fault that restarts them is that of the actor which has it: an innocent that took them
        // down first would hide that fault, and with it the count and the pause.
        let alone_restarts = alone || failure.fault == Fault::Another || self.has_live_instance_beside(child);
        let strategy = self.nodes[parent].spec.supervision.strategy;
        let strategy = if alone_restarts { Strategy::OneForOne } else { strategy };
        let most = self.time_to_come_up(child, after);
        let pause = self.announce_restart(child, &failure, strategy, most);
        let entry = &mut self.nodes[child];
        entry.enter(Phase::BackingOff, self.now);
        // After a crash, its next start is no longer a part of its parent's start.
        entry.was_up |= after != After::FailedStart;
        match strategy {
            Strategy::OneForAll => self.restart_group(parent, 0, pause),
            Strategy::RestForOne => self.restart_group(parent, self.first_place(child), pause),
            Strategy::OneForOne => self.start_after(child, pause),
        }
        if alone {
            self.turn_over(parent, child);
        }
    }

    /// Whether another instance of the same actor runs, starts, or starts with the next message: then the actor itself has
    /// not failed.
    fn has_live_instance_beside(&self, node: Node) -> bool {
        self.instances_beside(node).any(|other| {
            let entry = &self.nodes[other];
            match entry.phase {
                Phase::Starting | Phase::StartingChildren | Phase::Up | Phase::Passivated | Phase::Waiting => true,
                // The instance waits for its first turn.
                Phase::Down => !entry.was_up && entry.wants_start(),
                _ => false,
            }
        })
    }

    /// The place of the first instance of its actor.
    fn first_place(&self, node: Node) -> u64 {
        self.instances_beside(node).chain([node]).map(|node| self.nodes[node].place).min().unwrap_or_default()
    }

    /// The other instances of its actor: they have the neighbouring places.
    pub(super) fn instances_beside(&self, node: Node) -> impl Iterator<Item = Node> {
        let (first, place) = (self.first_of(node), self.nodes[node].place);
        let children = &self.nodes[self.parent(node)].children;
        let same = move |&(_, &other): &(&u64, &Node)| self.first_of(other) == first;
        let before = children.range(..place).rev().take_while(same);
        let after = children.range(place + 1..).take_while(same);
        before.chain(after).map(|(_, &other)| other)
    }

    /// The node that stands for the actor: its first instance, which may be removed.
    pub(super) fn first_of(&self, node: Node) -> Node {
        self.nodes[node].first.unwrap_or(node)
    }

    /// Restarts a child that crashed before its turn in the shutdown, because actors that stop before it may still send to
    /// it. No supervisor gives up any more: a child that crashes too often waits for its turn.
    pub(super) fn restart_meanwhile(&mut self, child: Node, after: After) {
        let failure = self.count(child, after);
        if failure.window.restarts <= failure.window.intensity {
            let pause = self.announce_restart(child, &failure, Strategy::OneForOne, Duration::MAX);
            self.start_after(child, pause);
        }
    }

    fn start_after(&mut self, child: Node, pause: Duration) {
        // A timer would round a pause of zero up to one of its steps.
        if pause.is_zero() { self.start_alone(child) } else { self.set_timer(child, pause) }
    }

    /// Records the account of an incarnation that is about to end: the messages that its actor handled, and the fault of its
    /// crash.
    pub(super) fn account(&mut self, node: Node, handled: u64, fault: Fault) {
        let (now, parent, first) = (self.now, self.parent(node), self.first_of(node));
        let period = self.period_above(node);
        let entry = &mut self.nodes[node];
        entry.set_fault(fault);
        // Of a long run only the part within the period counts, at its average.
        let life = entry.up_since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        let recent = if life > period {
            let share = u128::from(handled) * period.as_nanos() / life.as_nanos();
            u64::try_from(share).unwrap_or(u64::MAX)
        } else {
            handled
        };
        match self.nodes[parent].window.get_mut(&first) {
            Some(tally) => tally.handle(now, recent),
            None => self.nodes[node].set_handled_last(recent),
        }
        let mut at = Some(node);
        while let Some(above) = at {
            let entry = &mut self.nodes[above];
            entry.handled = entry.handled.saturating_add(handled);
            at = entry.parent;
        }
    }

    /// Counts a failure of a child, and checks whether there was a success before it.
    fn count(&mut self, child: Node, after: After) -> Failure {
        let (now, parent, first) = (self.now, self.parent(child), self.first_of(child));
        let fault = self.nodes[child].take_fault();
        let fault = if matches!(after, After::Crashed | After::Exited) { fault } else { Fault::Actor };
        if fault == Fault::Another {
            let (window, entry) = (self.window_of(child, now), &self.nodes[child]);
            let (fruitless, handled) = (entry.past().fruitless, entry.handled);
            return Failure { window, fault, fruitless, stable: entry.was_stable(now, window.period), handled };
        }
        let instances: Vec<_> = self.instances_beside(child).chain([child]).collect();
        let handled_last = instances.into_iter().map(|node| self.nodes[node].take_handled_last()).sum();
        let above = &mut self.nodes[parent];
        let SupervisionSpec { period, .. } = above.spec.supervision;
        let tally = above.window.entry(first).or_insert_with(|| {
            let mut tally = Tally::default();
            tally.handle(now, handled_last);
            tally
        });
        tally.expire(now, period);
        let (before, handled_in_window) = (u64::from(tally.failures()), tally.handled());
        let is_new = tally.fail(now, child, fault);
        if !above.spec.isolates {
            above.window.retain(|_, tally| {
                tally.expire(now, period);
                !tally.is_empty()
            });
        }
        let window = self.window_of(child, now);
        let entry = &mut self.nodes[child];
        // A success is a stable time, or ten handled messages for each failure.
        let enough = before.saturating_mul(HANDLED_FOR_A_FAILURE);
        let succeeded = entry.was_stable(now, period)
            || entry.handled > 0 && (entry.handled >= enough || handled_in_window >= enough);
        let handled = entry.handled;
        let stable = entry.was_stable(now, period);
        if is_new {
            entry.handled = 0;
        }
        let history = entry.history();
        if is_new {
            history.again = 0;
            history.in_a_row = if succeeded { 1 } else { history.in_a_row.saturating_add(1) };
            history.fruitless = if handled > 0 || stable { 1 } else { history.fruitless.saturating_add(1) };
        } else {
            history.again = history.again.saturating_add(1);
        }
        Failure { window, fault, fruitless: history.fruitless, stable, handled }
    }

    /// Whether each child of a supervisor is supervised alone: those of the kernel, and the members of families.
    pub(super) fn isolates(&self, supervisor: Node) -> bool {
        self.nodes[supervisor].spec.isolates
    }

    /// The failures that count for a node at this time: its own ones if it is supervised alone, else those of all siblings together.
    pub fn window_of(&self, node: Node, now: Duration) -> Window {
        let parent = self.nodes[node].parent.unwrap_or(ROOT);
        let above = &self.nodes[parent];
        let SupervisionSpec { intensity, period, .. } = above.spec.supervision;
        let counting = |tally: &Tally| tally.counting_at(now, period);
        let restarts = if self.isolates(parent) {
            above.window.get(&self.first_of(node)).map_or(0, counting)
        } else {
            above.window.values().map(counting).fold(0, u32::saturating_add)
        };
        Window { restarts, intensity, period }
    }

    /// Removes the tally of a removed child, unless it has failures that still count.
    pub(super) fn forget_uncounted(&mut self, parent: Node, child: Node) {
        let above = &mut self.nodes[parent];
        // A member that is removed has no failure that counts, or is removed for good.
        let forgets = above.spec.isolates && parent != ROOT;
        if above.window.get(&child).is_some_and(|tally| forgets || tally.counting() == 0) {
            above.window.remove(&child);
        }
    }

    pub(super) fn period_above(&self, node: Node) -> Duration {
        self.nodes[self.parent(node)].spec.supervision.period
    }

    /// Announces a restart and returns its pause. The pause grows with each failure in a row; before another attempt at one
    /// message it grows with the attempts, as before a retry. It is at most `most`, and zero after the fault of another actor.
    fn announce_restart(&mut self, child: Node, failure: &Failure, strategy: Strategy, most: Duration) -> Duration {
        let window = failure.window;
        let entry = &mut self.nodes[child];
        entry.restarts += 1;
        let past = entry.past();
        let doublings = if past.again > 0 { past.again + 1 } else { past.in_a_row };
        let ceiling = entry.spec.backoff.ceiling(doublings);
        let most = if failure.fault == Fault::Another { Duration::ZERO } else { most };
        let pause = self.jitter(ceiling).min(most);
        self.actions.push(Action::RestartIn { node: child, pause, window, strategy });
        pause
    }

    /// Fails a supervisor that cannot go on because of a child: it stops its children and fails.
    pub(super) fn give_up(&mut self, supervisor: Node, child: Node, why: WhyGaveUp) {
        self.actions.push(Action::GaveUp { node: supervisor, child, why });
        self.gave_up |= supervisor == ROOT;
        self.bring_down(supervisor, After::GaveUp);
    }

    /// Fails the start of a supervisor: it is up only when its children are.
    pub(super) fn fail_to_come_up(&mut self, supervisor: Node, child: Node) {
        self.actions.push(Action::GaveUp { node: supervisor, child, why: WhyGaveUp::FailedStart });
        self.bring_down(supervisor, After::FailedStart);
    }
}
