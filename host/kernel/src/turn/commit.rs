//! The commit: the only way out of a turn. It checks the turn, delivers the sends and effects of finished messages in order,
//! and then makes the outcomes of these messages final.

use std::sync::Arc;

use tokio::time::Instant;

use super::Turn;
use super::effect::Effect;
use super::spawn;
use crate::actor::Actor;
use crate::actor::reports::{Report, TaskDone};
use crate::dispatch::kept_timers::SHORTEST_PERIOD;
use crate::dispatch::requests::Request;
use crate::dispatch::routing::delivery::Run;
use crate::dispatch::routing::reservation::Patience;
use crate::dispatch::timers::{Timer, Timers};
use crate::mailbox::Refused;
use crate::words::clock::later;
use crate::words::dead_letter::DeadReason;
use crate::words::event::{AboutMessage, LogEvent};
use crate::words::events::MessageRetried;
use crate::words::message::Reply;
use crate::words::notice::Watcher;
use crate::words::outcome::{Failure, Outcome};
use crate::words::send_error::AskError;

/// How much of a run was delivered at once.
enum Delivered {
    All,
    /// The receiver refused the rest, or has no space for it.
    Part(Result<(), Refused>),
    /// The receiver is to be found first.
    Nothing,
}

impl Turn {
    /// Commits the finished messages. May wait for space in mailboxes. If this future is dropped, the next commit goes on
    /// where it was. A turn beyond its limits commits nothing.
    pub(crate) async fn commit(&mut self) {
        self.commit_with(Patience::Yes).await;
    }

    /// As [`Turn::commit`], without waiting: a message that finds no space becomes a dead letter.
    pub(crate) async fn commit_now(&mut self) {
        self.commit_with(Patience::No).await;
    }

    async fn commit_with(&mut self, patience: Patience) {
        // Checked: a turn beyond its limits is void. The incarnation ends with the overrun as its crash. A commit that began
        // before the overrun goes on: it is of earlier messages.
        if self.within_limits().is_err() && !self.commit_under_way() {
            return;
        }

        loop {
            // Entered: in a play with a store, an entry of its journal is true before the first of its effects is visible to others.
            if self.shared.routing.journal.is_some() && Box::pin(self.commit_entering(patience)).await {
                return;
            }

            // Delivered: sends and other effects, in the order in which they were recorded.
            while let Some(route) = self.outbox.next_route() {
                if self.entered.as_ref().is_some_and(|entered| entered.places == 0) {
                    // They finished since a commit was dropped: they enter first.
                    break;
                }
                if route == Run::EFFECT {
                    self.carry_out();
                    self.outbox.end_effect();
                    self.place_carried_out();
                    continue;
                }
                // The other ways are boxed, so that the usual commit moves little.
                match self.deliver_now(route) {
                    Delivered::All => {}
                    Delivered::Part(pushed) => Box::pin(self.deliver_others(route, pushed, patience)).await,
                    Delivered::Nothing => Box::pin(self.deliver_elsewhere(route, patience)).await,
                }
                self.place_carried_out();
            }
            if self.outbox.next_route().is_none() {
                break;
            }
        }
        self.outbox.forget_delivered();

        // Measured: before the messages end, so that an asker that has its reply finds them.
        if self.measurements.len() > 0 {
            self.measurements.commit(self.instance.own_metrics(&self.actor.spec.metrics));
        }

        // Answered: reports to the code, replies to askers, retries and dead letters. The reports come first, since the play
        // is idle as soon as the messages are finished.
        if self.calls_back {
            let reports = self.reports().map(Report::from);
            self.instance.backlog.lock().report(&self.shared.activity, reports);
        }
        let mut outcomes = std::mem::take(&mut self.batch.outcomes);
        let mut finished = self.batch.commit_finished(outcomes.len());
        for (index, outcome) in outcomes.drain() {
            if !self.settle(index, outcome) {
                finished -= 1;
            }
        }
        self.batch.outcomes = outcomes;
        if self.entered.is_some() {
            self.entered = None;
        }
        self.actor.finish(finished as u64);
    }

    /// Delivers as much of the next run of the commit as its receiver has space for, if the target of the route is the receiver itself.
    #[inline]
    fn deliver_now(&mut self, route: usize) -> Delivered {
        let target = &self.routes.at(route).target;
        if target.is_gone() || target.spec.relay.is_some() || target.member().is_some() {
            return Delivered::Nothing;
        }
        let bytes_before = self.outbox.bytes.len();
        let next = self.outbox.next_run();
        let pushed = self.shared.routing.deliver_run(target, next.run, next.bytes, next.delivered);
        if next.run.messages > 0 {
            return Delivered::Part(pushed);
        }
        self.outbox.end_run(bytes_before);
        Delivered::All
    }

    /// Delivers the messages of the next run for which there was no space.
    async fn deliver_others(&mut self, route: usize, pushed: Result<(), Refused>, patience: Patience) {
        let target = self.routes.at(route).target.clone();
        self.deliver_remaining(&target, pushed, patience).await;
    }

    /// Delivers the next run of the commit to the actor that gets what is sent on its route now.
    async fn deliver_elsewhere(&mut self, route: usize, patience: Patience) {
        let target = self.current_target(route);
        match self.pinned(route, target).await {
            Ok(target) => {
                let next = self.outbox.next_run();
                let bytes_before = next.bytes.len();
                let pushed = self.shared.routing.deliver_run(&target, next.run, next.bytes, next.delivered);
                if next.run.messages > 0 {
                    self.deliver_remaining(&target, pushed, patience).await;
                } else {
                    self.outbox.end_run(bytes_before);
                }
            }
            Err((stand_in, reason)) => self.dead_letter_run(&stand_in, &reason),
        }
    }

    async fn deliver_remaining(&mut self, target: &Actor, pushed: Result<(), Refused>, patience: Patience) {
        let next = self.outbox.next_run();
        let bytes_before = next.bytes.len();
        let (routing, how) = (&self.shared.routing, (patience, (self.actor.id, &*self.instance)));
        routing.deliver_remaining(target, next.run, next.bytes, next.delivered, pushed, how).await;
        self.outbox.end_run(bytes_before);
    }

    /// Counts a place of a turn that has entered.
    #[inline]
    fn place_carried_out(&mut self) {
        if let Some(entered) = &mut self.entered {
            entered.places -= 1;
        }
    }

    /// The actor to which a route leads now.
    pub(super) fn current_target(&mut self, route: usize) -> Arc<Actor> {
        if self.routes.at(route).target.is_gone() {
            self.routes.renew(route, &self.shared.routing.registry);
        }
        self.routes.at(route).target.clone()
    }

    /// Carries out the next effect; the next run of the outbox is its place.
    pub(super) fn carry_out(&mut self) {
        match self.effects.pop() {
            Effect::Spawn { route } => {
                self.effects.children.end(route);
                spawn::bring_up(&self.shared, &self.actor, self.routes.keep_spawned(route));
            }
            Effect::Adopt { route, code } => {
                self.effects.children.end(route);
                spawn::adopt(&self.shared, &self.routes.at(route).target, code, self.incarnation);
            }
            Effect::Stop { route } => spawn::dismiss(&self.shared, &self.routes.at(route).target),
            Effect::Timer { .. } if !self.effects.sets_timers() => {}
            Effect::Timer { route, id, wait, again, envelope, .. } => {
                let wait = if again { wait.max(SHORTEST_PERIOD) } else { wait };
                let timer = Timer {
                    target: self.routes.at(route).target.clone(),
                    envelope,
                    content: self.outbox.next_content().to_vec(),
                    period: again.then_some(wait),
                    latest: None,
                };
                let (shared, actor) = (&self.shared, &self.actor);
                let set = self.effects.set.get_or_insert_with(|| Timers::new(shared.clone(), actor.clone()));
                set.set(id, later(wait), timer);
            }
            Effect::Watch { id, address, kept } => {
                let pending = self.shared.activity.guard();
                let watcher = if kept { Watcher::kept(self.actor.id) } else { self.watcher() };
                if kept {
                    self.effects.end_watch(id);
                }
                let _ = self.shared.supervisor.request(Request::Watch(watcher, id, address, pending));
            }
            Effect::Unwatch { id } => {
                self.effects.end_watch(id);
                let _ = self.shared.supervisor.request(Request::Unwatch(self.watcher(), id));
            }
            Effect::Cancel { id } => {
                if let Some(set) = &self.effects.set {
                    set.cancel(id);
                }
            }
        }
    }

    fn watcher(&self) -> Watcher {
        Watcher { actor: self.actor.id, incarnation: self.incarnation }
    }

    /// A report to the code about each finished message.
    pub(super) fn reports(&self) -> impl Iterator<Item = TaskDone> {
        let attempts = self.actor.spec.restart.attempts;
        let mut notable = self.batch.outcomes.notable().peekable();
        self.batch.finished().map(move |index| {
            let outcome = notable.next_if(|(at, _)| *at == index).map(|(_, outcome)| outcome);
            TaskDone::committed(&self.batch.messages.envelope(index), outcome, attempts)
        })
    }

    /// Makes the outcome of one message final; false when the message is kept for a retry.
    fn settle(&self, index: usize, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Done(reply) => {
                let token = self.batch.messages.reply(index);
                if token.is_some() {
                    self.answer(token, reply.map(Reply::from).ok_or(AskError::NoReply));
                }
                true
            }
            Outcome::DoneWith(reply) => {
                self.answer(self.batch.messages.reply(index), Ok(*reply));
                true
            }
            Outcome::Failed(failure) => self.settle_failed(index, failure),
        }
    }

    /// Keeps a failed message for a retry, or makes a dead letter of it; false when it is kept.
    fn settle_failed(&self, index: usize, failure: Failure) -> bool {
        let mut message = self.batch.messages.message(index);
        message.envelope.attempt += self.batch.attempts(index);
        let attempt = message.envelope.attempt;
        let (restart, run) = (&self.actor.spec.restart, self.incarnation());
        match failure {
            Failure::Retry(text) if attempt < restart.attempts => {
                let ceiling = restart.backoff.ceiling(attempt);
                let subject = (self.actor.about_run(run), AboutMessage::from(&message.envelope));
                MessageRetried { subject, reason: "failed", attempts: restart.attempts, failure: &text }.log();
                let due = Instant::now() + self.shared.jitter.below(ceiling);
                self.instance.backlog.lock().delayed.push((due, message));
                return false;
            }
            Failure::Retry(text) => {
                self.shared.routing.dead_letter_of_run(run, &self.actor, message, &DeadReason::Failed(text));
            }
            Failure::Reject(text) => {
                self.shared.routing.dead_letter_of_run(run, &self.actor, message, &DeadReason::Rejected(text));
            }
            Failure::BadReply(text) => {
                self.shared.routing.dead_letter_of_run(run, &self.actor, message, &DeadReason::BadReply(text));
            }
        }
        true
    }
}
