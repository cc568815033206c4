//! Actors that failed, and the actors below them: their messages wait for a trial start, and their askers get an error at
//! once.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::actor::Actor;
use crate::actor::instance::Instance;
use crate::mailbox::bit;
use crate::supervision::events::Node;
use crate::supervisor::role::Role;
use crate::supervisor::state::Supervisor;
use crate::words::crash::CrashReport;
use crate::words::decision::Decision;
use crate::words::event::LogEvent;
use crate::words::events::ActorFailed;
use crate::words::failed::{FailedActor, never};
use crate::words::failure::WhyGaveUp;
use crate::words::state::State;

/// Failures shown when every actor failed.
const SHOWN_FAILURES: usize = 10;

impl Supervisor {
    /// Handles a failed instance; with its last instance the actor fails, and all actors below it.
    pub(super) fn failed(&mut self, node: Node, why: WhyGaveUp, trial_in: Option<Duration>) {
        let decision = Decision::Failed { why, trial_in };
        let Role { actor, instance, .. } = self.role(node).clone();
        let cause = self.verdicts.open(node);
        let last = cause.as_ref().map(|report| format!("; the last: {report}")).unwrap_or_default();
        let address = actor.address();
        let event = ActorFailed {
            subject: self.role(node).about(),
            reason: why.kind(),
            crash: cause.as_ref().map(|report| report.crash.reason.kind()),
            trial_seconds: trial_in.map(|pause| pause.as_secs_f64()),
            decision: &decision,
            address,
            last: &last,
        };
        event.log();
        self.verdicts.decided(node, decision);
        *instance.back_at.lock() =
            Some(trial_in.and_then(|pause| Instant::now().checked_add(pause)).unwrap_or_else(never));
        if self.move_to_live_sibling(&actor, &instance) {
            if let Some(back_at) = actor.back_at() {
                self.shared.routing.asks.answer_those_before(actor.id, back_at, &actor.not_back_in_time());
            }
            return;
        }
        // The first trial is that of the instance that failed first.
        let nodes = self.nodes.get(&actor.id).into_iter().flatten();
        let trial_at = nodes.filter_map(|&node| self.tree.view(node)?.failed?.trial_at).min();
        let trial_in = trial_at.map(|at| at.saturating_sub(self.now()));
        let failed = Arc::new(FailedActor {
            actor: address.clone(),
            since: SystemTime::now(),
            why,
            trial_at: trial_in.and_then(|pause| SystemTime::now().checked_add(pause)),
            last: cause.or_else(|| actor.last_crash()),
        });
        for actor in at_or_below(&actor) {
            self.shared.routing.mark_failed(&actor, &failed);
        }
    }

    /// Ends the state `failed` of an actor and of the actors below it.
    pub(super) fn reset(&mut self, node: Node) {
        let Role { actor, instance, .. } = self.role(node).clone();
        *instance.back_at.lock() = None;
        for actor in at_or_below(&actor) {
            self.shared.routing.unmark_failed(&actor);
        }
        self.move_all_to_live_siblings(&actor);
    }

    /// Gives the messages of all instances that do not go on to one that does.
    pub(super) fn move_all_to_live_siblings(&self, actor: &Actor) {
        if actor.instances.len() > 1 {
            let live = self.live_instances(actor);
            for instance in actor.instances.iter().filter(|instance| live & bit(instance.index) == 0) {
                self.move_to_live_sibling(actor, instance);
            }
        }
    }

    /// Gives the messages of an instance that does not go on by itself to a live sibling; false when there is none.
    pub(super) fn move_to_live_sibling(&self, actor: &Actor, instance: &Instance) -> bool {
        let live = self.live_instances(actor);
        let Some(sibling) =
            actor.instances.iter().find(|other| live & bit(other.index) != 0 && other.index != instance.index)
        else {
            return false;
        };
        let left = std::mem::take(&mut *instance.backlog.lock());
        sibling.backlog.lock().inherit(left);
        actor.mailbox.nudge(sibling.index);
        true
    }

    /// The instances of an actor that run, or will run without an operator or a trial, one bit each.
    pub(super) fn live_instances(&self, actor: &Actor) -> u64 {
        let goes_on = |&node: &Node| {
            let state = self.tree.view(node)?.state;
            let role = self.roles[node.index()].as_ref()?;
            (!matches!(state, State::Failed | State::Ended | State::Stopped)).then(|| bit(role.instance.index))
        };
        self.nodes
            .get(&actor.id)
            .into_iter()
            .flatten()
            .filter_map(goes_on)
            .fold(0, |instances, instance| instances | instance)
    }

    /// The last failure of each actor under `/`, the latest first.
    pub(super) fn last_failures(&self) -> Vec<Arc<CrashReport>> {
        let is_top = |actor: &Actor| actor.address().parent().is_some_and(|parent| parent.is_root());
        let tops = self.roles.iter().flatten().filter(|role| role.instance.index == 0 && is_top(&role.actor));
        let mut failures: Vec<_> = tops.filter_map(|role| role.actor.last_crash()).collect();
        failures.sort_by_key(|report| std::cmp::Reverse(report.at));
        failures.truncate(SHOWN_FAILURES);
        failures
    }
}

/// An actor and all actors below it.
fn at_or_below(actor: &Arc<Actor>) -> Vec<Arc<Actor>> {
    let mut all = vec![actor.clone()];
    let mut at = 0;
    while let Some(above) = all.get(at) {
        let children: Vec<_> = above.children.lock().values().cloned().collect();
        all.extend(children);
        at += 1;
    }
    all
}
