//! Actors that failed, and those below them: what waits there waits for a trial start, and whoever asks is told at once.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Role, Supervision};
use crate::actor::Actor;
use crate::address::Address;
use crate::crash::CrashReport;
use crate::decision::Decision;
use crate::failed::FailedActor;
use crate::supervision::events::{Node, State, WhyGaveUp};
use crate::supervision::task::DECISION_TARGET;

/// Failures shown when every actor failed.
const SHOWN_FAILURES: usize = 10;

impl Supervision {
    /// An instance failed; with its last one the actor, and all below it.
    pub(super) fn failed(&mut self, node: Node, why: WhyGaveUp, trial_in: Option<Duration>) {
        let decision = Decision::Failed { why, trial_in };
        let Role { actor, lane, .. } = self.role(node).clone();
        let cause = self.verdicts.open(node);
        let last = cause.as_ref().map(|report| format!("; the last: {report}")).unwrap_or_default();
        let address = actor.address();
        tracing::error!(target: DECISION_TARGET, %address, "{decision} (`playhouse start {address}` tries at once){last}");
        self.verdicts.decided(node, decision);
        if let Some(goes_on) = self.instance_that_goes_on(&actor) {
            let left = std::mem::take(&mut *lane.backlog.lock());
            goes_on.backlog.lock().inherit(left);
            actor.mailbox.nudge(goes_on.index);
            return;
        }
        let failed = Arc::new(FailedActor {
            actor: address.clone(),
            since: SystemTime::now(),
            why,
            trial_at: trial_in.and_then(|pause| SystemTime::now().checked_add(pause)),
            last: cause.or_else(|| actor.last_crash()),
        });
        for actor in self.all_at_or_below(address) {
            self.world.mark_failed(&actor, &failed);
        }
    }

    /// It is failed no more, nor is what is below it.
    pub(super) fn reset(&mut self, node: Node) {
        let actor = self.role(node).actor.clone();
        for actor in self.all_at_or_below(actor.address()) {
            self.world.unmark_failed(&actor);
        }
    }

    fn instance_that_goes_on(&self, actor: &Actor) -> Option<Arc<crate::lane::Lane>> {
        let now = self.began.elapsed();
        let goes_on = |&node: &Node| {
            let state = self.tree.view(node, now)?.state;
            let role = self.roles[node.index()].as_ref()?;
            (!matches!(state, State::Failed | State::Ended | State::Stopped)).then(|| role.lane.clone())
        };
        self.nodes.get(&actor.id)?.iter().find_map(goes_on)
    }

    fn all_at_or_below(&self, address: &Address) -> Vec<Arc<Actor>> {
        let mut all = self.world.registry.all();
        all.retain(|actor| actor.address() == address || actor.address().is_below(address));
        all
    }

    /// The last failure of each actor under `/`, the latest first.
    pub(super) fn last_failures(&self) -> Vec<Arc<CrashReport>> {
        let is_top = |actor: &Actor| actor.address().parent().is_some_and(|parent| parent.is_root());
        let tops = self.roles.iter().flatten().filter(|role| role.lane.index == 0 && is_top(&role.actor));
        let mut failures: Vec<_> = tops.filter_map(|role| role.actor.last_crash()).collect();
        failures.sort_by_key(|report| std::cmp::Reverse(report.at));
        failures.truncate(SHOWN_FAILURES);
        failures
    }
}
