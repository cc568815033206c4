//! The circuit breaker under the kernel: an actor that exceeds its window, or does not come up at the boot, is failed with
//! its subtree, and the rest of the play goes on. Its messages wait; after a cooldown, or when an operator says so, one trial
//! start is made. A success in it closes the circuit, a failure before that opens it again. The play ends with an actor that
//! it requires, and when every actor is failed.

use std::time::Duration;

use crate::supervision::events::{Action, Failed, Fault, Node, ROOT, WhyGaveUp};
use crate::supervision::failures::Failure;
use crate::supervision::node::{After, Over, Phase};
use crate::supervision::tree::Tree;

impl Tree {
    /// Why a child of the kernel is not restarted any more after this failure; none: it is.
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
        // The pauses grow beyond the period: that must not keep alive an actor that fails at everything.
        if failure.fault != Fault::Actor && failure.fruitless > window.intensity {
            return Some(WhyGaveUp::NothingHandled(failure.fruitless));
        }
        let waited = now.saturating_sub(entry.first_start);
        let comes_up = !entry.was_up && after == After::FailedStart;
        (comes_up && waited >= window.period).then_some(WhyGaveUp::NotUp(window.period))
    }

    /// The rest of the period within which a child of the kernel has to come up: its last attempt is made when that is over,
    /// however long its pauses have grown.
    pub(super) fn time_to_come_up(&self, child: Node, after: After) -> Duration {
        let entry = &self.nodes[child];
        if entry.parent != Some(ROOT) || entry.was_up || after != After::FailedStart {
            return Duration::MAX;
        }
        entry.first_start.saturating_add(self.period_above(child)).saturating_sub(self.now)
    }

    /// A child of the kernel, and all below it, are down and stay so for now.
    pub(super) fn fail(&mut self, child: Node, why: WhyGaveUp) {
        if !self.has_instance_beside_that_goes_on(child) {
            if self.nodes[child].spec.required {
                return self.give_up(ROOT, child, why);
            }
            let first = self.first_of(child);
            self.nodes[ROOT].window.remove(&first);
        }
        let entry = &mut self.nodes[child];
        entry.phase = Phase::Failed;
        let cooldown = entry.spec.cooldown;
        if let Some(cooldown) = cooldown {
            self.set_timer(child, cooldown);
        }
        let entry = &mut self.nodes[child];
        entry.failed = Some(Box::new(Failed { since: self.now, why, trial_at: entry.timer }));
        self.actions.push(Action::Failed { node: child, why, trial_in: cooldown });
        self.turn_over(ROOT, child);
        self.end_if_all_failed();
    }

    /// Whether another instance of the same actor runs, or will without an operator or a trial; false for an actor that has one.
    pub(super) fn has_instance_beside_that_goes_on(&self, node: Node) -> bool {
        self.instances_beside(node).any(|other| {
            let entry = &self.nodes[other];
            let stays_down = entry.phase == Phase::Down && (entry.halted || entry.over != Over::No);
            !stays_down && entry.phase != Phase::Failed
        })
    }

    /// Another instance that failed, when this one, which will not run again by itself, was the last that went on: the
    /// actor is failed as a whole.
    pub(super) fn failed_beside_last(&self, node: Node) -> Option<Node> {
        if self.nodes[node].parent != Some(ROOT) || self.has_instance_beside_that_goes_on(node) {
            return None;
        }
        self.instances_beside(node).find(|&other| self.nodes[other].phase == Phase::Failed)
    }

    /// The actor of this instance, which failed before, is failed as a whole.
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

    /// Nothing is left that runs or will by itself, because of failures: the play ends.
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

    /// The cooldown is over, or an operator does not wait for that: one trial start.
    pub(super) fn try_again(&mut self, node: Node) {
        self.clear_timer(node);
        self.reset(node);
        let entry = &mut self.nodes[node];
        entry.phase = Phase::BackingOff;
        (entry.trial, entry.handled) = (true, 0);
        entry.forgive();
        self.start_alone(node);
    }

    /// A run ended without a failure: a stable spell in it was a success.
    pub(super) fn note_stable_spell(&mut self, node: Node) {
        let (now, period) = (self.now, self.period_above(node));
        let entry = &mut self.nodes[node];
        if entry.was_stable(now, period) {
            entry.trial = false;
            entry.forgive();
        }
    }

    /// It is failed no more.
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
