//! The circuit breaker under the kernel, and of the members of families. An actor that exceeds its window, or does not start in time at the boot, is failed
//! with its subtree, and the other actors go on. Its messages wait; after a cooldown, or by an operator's order, one trial
//! start is made. A success in it closes the circuit; a failure before that opens it again. The play ends when an actor that
//! it requires fails, and when every actor is failed.

use std::time::Duration;

use crate::supervision::events::{Action, Failed, Node, ROOT};
use crate::supervision::node::{After, Over, Phase};
use crate::supervision::tree::Tree;
use crate::supervision::tree::failures::Failure;
use crate::words::failure::{Fault, WhyGaveUp};

impl Tree {
    /// Why a child of the kernel is not restarted after this failure; none when it is.
    pub(super) fn opens_circuit(&mut self, child: Node, after: After, failure: Failure) -> Option<WhyGaveUp> {
        let Failure { window, .. } = failure;
        let now = self.now;
        let entry = &mut self.nodes[child];
        if std::mem::take(&mut entry.trial) && failure.handled == 0 && !failure.stable {
            return Some(WhyGaveUp::TrialFailed);
        }
        if window.restarts > window.intensity {
            return Some(WhyGaveUp::TooOften(window));
        }
        // The pauses may grow beyond the period. An actor that fails with every message must be given up all the same.
        if failure.fault != Fault::Actor && failure.fruitless > window.intensity {
            return Some(WhyGaveUp::NothingHandled(failure.fruitless));
        }
        let waited = now.saturating_sub(entry.first_start);
        let comes_up = !entry.was_up && after == After::FailedStart;
        (comes_up && waited >= window.period).then_some(WhyGaveUp::NotUp(window.period))
    }

    /// The part of the period that is left for the first start of a child of the kernel: its last attempt is made at the end
    /// of the period, however long its pauses have grown.
    pub(super) fn time_to_come_up(&self, child: Node, after: After) -> Duration {
        let entry = &self.nodes[child];
        if entry.parent != Some(ROOT) || entry.was_up || after != After::FailedStart {
            return Duration::MAX;
        }
        entry.first_start.saturating_add(self.period_above(child)).saturating_sub(self.now)
    }

    /// Fails a child of the kernel, which is down with all nodes below it.
    pub(super) fn fail(&mut self, child: Node, why: WhyGaveUp) {
        if !self.has_instance_beside_that_goes_on(child) {
            if self.nodes[child].spec.required {
                return self.give_up(ROOT, child, why);
            }
            let (parent, first) = (self.parent(child), self.first_of(child));
            self.nodes[parent].window.remove(&first);
        }
        let entry = &mut self.nodes[child];
        entry.enter(Phase::Failed, self.now);
        let cooldown = entry.spec.cooldown;
        if let Some(cooldown) = cooldown {
            self.set_timer(child, cooldown);
        }
        let entry = &mut self.nodes[child];
        entry.failed = Some(Box::new(Failed { since: self.now, why, trial_at: entry.timer }));
        self.actions.push(Action::Failed { node: child, why, trial_in: cooldown });
        self.turn_over(self.parent(child), child);
        self.end_if_all_failed();
    }

    /// Whether another instance of the same actor runs, or will run without an operator or a trial; false for an actor with
    /// one instance.
    pub(super) fn has_instance_beside_that_goes_on(&self, node: Node) -> bool {
        self.instances_beside(node).any(|other| {
            let entry = &self.nodes[other];
            let stays_down = entry.phase == Phase::Down && (entry.halted || entry.over != Over::No);
            !stays_down && entry.phase != Phase::Failed
        })
    }

    /// Another instance that failed, if this one, which will not run again by itself, was the last that went on: then the
    /// actor is failed as a whole.
    pub(super) fn failed_beside_last(&self, node: Node) -> Option<Node> {
        if self.nodes[node].parent != Some(ROOT) || self.has_instance_beside_that_goes_on(node) {
            return None;
        }
        self.instances_beside(node).find(|&other| self.nodes[other].phase == Phase::Failed)
    }

    /// Fails the actor of this instance, which failed before, as a whole.
    pub(super) fn fail_as_a_whole(&mut self, node: Node) {
        let Some(Failed { why, trial_at, .. }) = self.nodes[node].failed.as_deref().copied() else { return };
        if self.nodes[node].spec.required {
            return self.give_up(ROOT, node, why);
        }
        let first = self.first_of(node);
        self.nodes[ROOT].window.remove(&first);
        let trial_in = trial_at.map(|at| at.saturating_sub(self.now));
        self.actions.push(Action::Failed { node, why, trial_in });
    }

    /// Ends the play when, because of failures, no actor runs or will run by itself.
    pub(super) fn end_if_all_failed(&mut self) {
        if self.nodes[ROOT].phase != Phase::Up && self.nodes[ROOT].phase != Phase::StartingChildren {
            return;
        }
        let mut failed = None;
        let all = self.nodes[ROOT].children.values().all(|&child| {
            let entry = &self.nodes[child];
            if entry.phase == Phase::Failed {
                failed = Some(child);
            }
            entry.phase == Phase::Failed || entry.over != Over::No
        });
        if let Some(failed) = failed.filter(|_| all) {
            self.give_up(ROOT, failed, WhyGaveUp::AllFailed);
        }
    }

    /// Makes one trial start: the cooldown is over, or an operator does not wait for its end.
    pub(super) fn try_again(&mut self, node: Node) {
        self.clear_timer(node);
        self.reset(node);
        let entry = &mut self.nodes[node];
        entry.enter(Phase::BackingOff, self.now);
        (entry.trial, entry.handled) = (true, 0);
        entry.forgive();
        self.start_alone(node);
    }

    /// Records a run that ended without a failure: a stable time in it was a success.
    pub(super) fn note_stable_spell(&mut self, node: Node) {
        let (now, period) = (self.now, self.period_above(node));
        let entry = &mut self.nodes[node];
        if entry.was_stable(now, period) {
            entry.trial = false;
            entry.forgive();
        }
    }

    /// Ends the state `failed` of a node.
    pub(super) fn reset(&mut self, node: Node) {
        if self.nodes[node].failed.take().is_some() {
            self.actions.push(Action::Reset(node));
        }
    }

    /// Whether an actor above it failed.
    pub(super) fn is_below_failed(&self, node: Node) -> bool {
        let mut above = self.nodes[node].parent;
        while let Some(at) = above {
            if self.nodes[at].phase == Phase::Failed {
                return true;
            }
            above = self.nodes[at].parent;
        }
        false
    }
}
