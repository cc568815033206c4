//! Watches and reports of a stored actor, as parts of the entry of its turn: they belong to the actor, and not to an incarnation.

use super::Turn;
use super::effect::Effect;
use crate::actor::reports::TaskDone;
use crate::dispatch::routing::delivery::Run;
use crate::dispatch::routing::output::Output;
use crate::journal::order::Draft;

impl Turn {
    /// Ends the reports that the code got, and queues those about the finished messages.
    pub(super) fn enter_reports(&mut self, draft: &mut Draft<Output>, reports: Vec<TaskDone>) {
        let (actor, kept) = (self.actor.id, &self.shared.routing.kept_reports);
        if !self.told.is_empty() {
            kept.end(draft, actor, self.told.drain(..));
        }
        if !reports.is_empty() {
            let keeps = self.actor.keeps_watches();
            let keep = |done| if keeps { kept.keep(draft, actor, done) } else { done.into() };
            let reports: Vec<_> = reports.into_iter().map(keep).collect();
            self.instance.backlog.lock().report(&self.shared.activity, reports);
        }
    }

    /// Begins and ends watches that belong to the actor. The supervision learns of them when the turn is durable.
    pub(super) fn enter_watches(&self, draft: &mut Draft<Output>) {
        let effects = self.outbox.finished_runs().filter(|at| self.outbox.run(*at).route == Run::EFFECT).count();
        let (actor, watches) = (self.actor.id, &self.shared.routing.kept_watches);
        for effect in self.effects.next(effects) {
            match effect {
                Effect::Watch { id, address, kept: true } => watches.begin(draft, (actor, *id), address.clone()),
                Effect::Unwatch { id } => watches.end(draft, (actor, *id)),
                _ => {}
            }
        }
    }
}
