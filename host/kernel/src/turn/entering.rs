//! The commit in a play with a store. A turn of a stored actor is one entry of the journal: the messages that it took, its sends,
//! its retries and dead letters. Of another actor's turn, the sends to stored actors are one entry.
//!
//! All waits come before the entry. If the commit is dropped in one of them, nothing has happened.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Turn;
use super::effect::{ChildChange, Effect};
use super::entered::Entered;
use super::spawn;
use crate::actor::Actor;
use crate::actor::host_wait::held_up;
use crate::actor::host_waits::Obstacle;
use crate::actor::pinned::Pinned;
use crate::dispatch::kept_children::child_leaves;
use crate::dispatch::kept_timers::KeptTimer;
use crate::dispatch::routing::dead_letter::log_letter;
use crate::dispatch::routing::delivery::Run;
use crate::dispatch::routing::entering::{PlayJournal, hold, put};
use crate::dispatch::routing::output::Output;
use crate::dispatch::routing::reservation::{Given, Patience, Wanted};
use crate::journal::entry::Op;
use crate::journal::order::{Draft, EntrySpace};
use crate::mailbox::Load;
use crate::mailbox::message_log::{first_record, message_of};
use crate::words::dead_letter::DeadReason;
use crate::words::event::{AboutMessage, LogEvent};
use crate::words::events::MessageRetried;
use crate::words::message::{Envelope, Message, Reply, ReplyToken, records_of};
use crate::words::outcome::{Failure, Outcome};
use crate::words::send_error::{AskError, FullAnswer};

/// Bytes of a report in an entry, approximately.
const REPORT_BYTES: usize = 64;

/// The sends of a turn that enter, and space for them.
struct Sends {
    wanted: Vec<Wanted>,
    given: Vec<Given>,
    /// For each run that enters, its place in the outbox and the place of its target in `wanted`.
    runs: Vec<(usize, usize)>,
    /// Keep the targets in memory.
    _pinned: Vec<Pinned>,
}

/// Dead letters and retries that are logged after the entry.
#[derive(Default)]
struct News {
    letters: Vec<(Arc<Actor>, Envelope, DeadReason)>,
    retried: Vec<(Envelope, String)>,
    /// Timers that were cancelled, and for which the play waited.
    cancelled: u64,
}

impl Turn {
    /// Whether messages of this actor are stored.
    fn is_stored(&self) -> bool {
        self.actor.mailbox.is_stored()
    }

    /// Enters the finished messages, or their sends to stored actors. Returns true when the turn is over with that.
    pub(super) async fn commit_entering(&mut self, patience: Patience) -> bool {
        let Some(journal) = &self.shared.routing.journal.clone() else { return false };
        // The end of an incarnation only carries out what has entered.
        let goes_on = self.entered.is_none() || patience == Patience::Yes;
        loop {
            let is_stored = self.is_stored();
            let has_later = |entered: &Entered| entered.places == 0 && self.outbox.next_route().is_some();
            if self.entered.as_ref().is_none_or(|entered| !is_stored && has_later(entered)) {
                let sends = self.reserve(patience).await;
                if !is_stored && sends.runs.is_empty() {
                    if let Some(entered) = &mut self.entered {
                        entered.places = self.outbox.finished_runs().len();
                    }
                    return false;
                }
                let space_in_journal = match patience {
                    Patience::Yes => {
                        let space = journal.space(self.entry_bytes(&sends));
                        held_up(&self.instance, Obstacle::Disk, space).await
                    }
                    Patience::No => EntrySpace::NONE,
                };
                self.enter(journal, space_in_journal, sends);
            }
            if !is_stored {
                // The other sends and effects follow at once: what this actor knows is durable already.
                return false;
            }
            if let Some(entered) = &self.entered
                && entered.places > 0
                && patience == Patience::Yes
            {
                // A child could act at once, and a timer could tell others. When the store fails, the play ends.
                let _ = held_up(&self.instance, Obstacle::Disk, journal.durable(entered.number)).await;
            }
            if let Some(entered) = self.entered.take() {
                for _ in 0..entered.places {
                    self.carry_out();
                    self.outbox.end_effect();
                }
                self.actor.finish(entered.finished);
            }
            let has_more = self.outbox.next_route().is_some() || !self.batch.finished().is_empty();
            if !has_more {
                self.outbox.forget_delivered();
            }
            // They finished since a commit was dropped, and have not entered.
            if !has_more || !goes_on {
                return true;
            }
        }
    }

    /// The bytes of an entry, approximately.
    fn entry_bytes(&self, sends: &Sends) -> usize {
        let sent: usize = sends.wanted.iter().map(|wanted| wanted.load.bytes).sum();
        let state = self.state.as_ref().map_or(0, |state| state.bytes());
        let kept = if self.is_stored() { self.effects.recorded_timer_bytes() + self.batch.outcomes.bytes() } else { 0 };
        let keeps_reports = self.calls_back && self.actor.keeps_watches();
        let reports = if keeps_reports { self.batch.finished().len() * REPORT_BYTES } else { 0 };
        sent + state + kept + reports
    }

    /// Reserves space for the sends that enter. May wait; nothing has happened yet.
    async fn reserve(&mut self, patience: Patience) -> Sends {
        let (mut wanted, mut runs): (Vec<Wanted>, Vec<(usize, usize)>) = Default::default();
        let (mut pinned, mut not_made) = (Vec::new(), Vec::new());
        for at in self.outbox.finished_runs() {
            let Run { route, from, to, messages } = *self.outbox.run(at);
            if route == Run::EFFECT {
                continue;
            }
            let target = self.current_target(route);
            let (target, refused) = match self.pinned(route, target).await {
                Ok(target) => {
                    let actor = Arc::clone(&target);
                    pinned.push(target);
                    (actor, None)
                }
                Err((stand_in, reason)) => (stand_in, Some(reason)),
            };
            if !self.is_stored() && !target.mailbox.is_stored() {
                continue;
            }
            let known = wanted.iter().position(|wanted| wanted.target.id == target.id);
            let place = known.unwrap_or_else(|| {
                let first_bytes = first_record(&self.outbox.bytes[from..to]).len() - playhouse_frame::HEADER_BYTES;
                wanted.push(Wanted { target, load: Load { first_bytes, ..Load::default() } });
                not_made.extend(refused.map(|reason| (wanted.len() - 1, reason)));
                wanted.len() - 1
            });
            wanted[place].load.messages += messages;
            wanted[place].load.bytes += to - from;
            runs.push((at, place));
        }
        let sender = (self.actor.id, &*self.instance);
        let mut given = self.shared.routing.reserve_all(&wanted, (patience, sender)).await;
        for (place, reason) in not_made {
            given[place] = Err(reason);
        }
        Sends { wanted, given, runs, _pinned: pinned }
    }

    /// From here on the turn is true.
    fn enter(&mut self, journal: &Arc<PlayJournal>, space_in_journal: EntrySpace<'_>, sends: Sends) {
        let stored = self.is_stored();
        if stored {
            // Before the messages end, so that an asker that has its reply finds them.
            if self.measurements.len() > 0 {
                self.measurements.commit(self.instance.own_metrics(&self.actor.spec.metrics));
            }
        }
        let reports = if stored && self.calls_back { self.reports().collect() } else { Vec::new() };
        let finished = self.batch.finished();
        let state = self.state.as_mut().filter(|state| state.len() > 0).map(|state| state.take_finished(finished.end));
        let mut outcomes = std::mem::take(&mut self.batch.outcomes);
        let (shared, mut news, mut kept) = (self.shared.clone(), News::default(), 0);
        let entered = shared.routing.enter(journal, Some(self.actor.id), space_in_journal, |draft| {
            if stored && self.effects.has_recorded() {
                self.enter_children(draft);
                self.enter_watches(draft);
            }
            let mut places = self.put_sends(draft, sends, &mut news);
            if stored && self.effects.has_recorded() {
                places.extend(self.enter_timers(draft, &mut news));
                places.sort_unstable();
            }
            self.outbox.mark_entered(&places);
            if stored {
                self.enter_reports(draft, reports);
                let mut notable = outcomes.drain().peekable();
                for index in finished.clone() {
                    let outcome = notable.next_if(|(at, _)| *at == index).map(|(_, outcome)| outcome);
                    kept += u64::from(self.enter_outcome(draft, index, outcome, &mut news));
                }
            }
            state.and_then(|state| self.enter_state(draft, state))
        });
        if stored && self.effects.has_recorded() {
            self.make_children_known();
        }
        if let (Some(changed), Some(keyed)) = (entered.value, &self.actor.keyed_state) {
            keyed.changed(changed.values, changed.grown, entered.number, journal.last_durable());
        }
        if stored {
            self.batch.commit_finished(finished.len());
        }
        let finished = if stored { finished.len() as u64 - kept } else { 0 };
        let places = self.outbox.finished_runs().len();
        self.entered = Some(Entered { number: entered.number, finished, places });
        self.batch.outcomes = outcomes;
        if news.cancelled > 0 {
            self.shared.activity.end(news.cancelled);
        }
        self.log(news);
    }

    /// Stored children come and go with the turn. A child comes before its messages.
    fn enter_children(&self, draft: &mut Draft<Output>) {
        let effects = self.outbox.finished_runs().filter(|at| self.outbox.run(*at).route == Run::EFFECT).count();
        for change in self.effects.child_changes(effects) {
            let (ChildChange::Spawn(route) | ChildChange::Stop(route)) = change;
            let target = &self.routes.at(route).target;
            let Some(kept) = target.kept_child() else { continue };
            match change {
                ChildChange::Spawn(_) => {
                    let (actor, address) = (target.id, target.address().clone());
                    draft.op(Op::Spawned { actor, address, child: Box::new(kept.child.clone()) });
                }
                ChildChange::Stop(_) => child_leaves(draft, target),
            }
        }
    }

    /// Lookups find the children that the turn spawned, since whoever gets its reply may look for them at once. They start when the turn is
    /// durable.
    fn make_children_known(&self) {
        let effects = self.outbox.finished_runs().filter(|at| self.outbox.run(*at).route == Run::EFFECT).count();
        for change in self.effects.child_changes(effects) {
            if let ChildChange::Spawn(route) = change {
                spawn::make_known(&self.shared, &self.routes.at(route).target);
            }
        }
    }

    /// Returns the places of the sends in the outbox, in order.
    fn put_sends(&mut self, draft: &mut Draft<Output>, sends: Sends, news: &mut News) -> Vec<usize> {
        let Sends { wanted, given, runs, _pinned } = sends;
        for (place, given) in given.into_iter().enumerate() {
            let target = &wanted[place].target;
            let of_target = runs.iter().filter(|(_, of)| *of == place).map(|(at, _)| *at);
            let refused = match given {
                Ok(mut space) => {
                    // The runs to one target come in together; their order with those to others cannot be seen.
                    let mut of_target = of_target.peekable();
                    let first = of_target.next().map(|at| self.outbox.records(at)).unwrap_or_default();
                    if of_target.peek().is_none() {
                        put(draft, &mut space, first)
                    } else {
                        let mut records = first.to_vec();
                        of_target.for_each(|at| records.extend_from_slice(self.outbox.records(at)));
                        put(draft, &mut space, &records)
                    }
                }
                Err(reason) => {
                    let records = of_target.flat_map(|at| records_of(self.outbox.records(at)));
                    Some((records.map(message_of).collect(), reason))
                }
            };
            let Some((messages, reason)) = refused else { continue };
            for message in messages {
                news.letters.push((target.clone(), message.envelope, reason.clone()));
                self.shared.routing.letter_in(draft, target, message, &reason);
            }
        }
        runs.into_iter().map(|(at, _)| at).collect()
    }

    /// Sets and cancels the timers of finished messages, which belong to the actor. Returns their places in the outbox, in order.
    fn enter_timers(&mut self, draft: &mut Draft<Output>, news: &mut News) -> Vec<usize> {
        let at_effects = self.outbox.finished_runs().filter(|at| self.outbox.run(*at).route == Run::EFFECT);
        let at_effects: Vec<_> = at_effects.collect();
        let timers = &self.shared.routing.kept_timers;
        let mut places = Vec::new();
        for (at, effect) in at_effects.iter().zip(self.effects.take_timers(at_effects.len())) {
            match effect {
                None => continue,
                Some(Effect::Timer { route, id, wait, again, envelope, .. }) => {
                    let to = self.routes.at(route).target.address().clone();
                    let timer = KeptTimer::new(
                        (self.actor.address().clone(), to),
                        (envelope, self.outbox.records(*at)),
                        wait,
                        again,
                    );
                    self.shared.set_kept(draft, (self.actor.id, id), timer);
                }
                Some(Effect::Cancel { id }) if self.effects.set.as_ref().is_some_and(|set| set.cancel(id)) => {}
                Some(Effect::Cancel { id }) => {
                    news.cancelled += u64::from(timers.cancel(draft, self.actor.id, id));
                }
                Some(_) => unreachable!("only timers were taken"),
            }
            places.push(*at);
        }
        places
    }

    /// Adds the outcome of one message to the entry; true when the message is kept for a retry.
    fn enter_outcome(
        &self,
        draft: &mut Draft<Output>,
        index: usize,
        outcome: Option<Outcome>,
        news: &mut News,
    ) -> bool {
        let (token, number) = (self.batch.messages.reply(index), self.batch.messages.sequence(index));
        if number != 0 {
            self.shared.routing.kept_answers.end_turns(draft, self.actor.id, number..number + 1);
        } else if token.is_ask() {
            self.shared.routing.end_asked_turn(draft, token);
        }
        let answer = |draft: &mut Draft<Output>, answer: FullAnswer| {
            if token.is_keyed() {
                let (id, now) = (self.batch.messages.message(index).envelope.id, self.shared.wall_time(Instant::now()));
                self.shared.routing.keys.keep_answer(draft, token, &answer, (id, now));
            } else if token.is_ask() {
                self.shared.routing.keep_answer(draft, token, &answer);
            }
            if token.is_some() {
                draft.output(Output::Answer(token, answer));
            }
        };
        match outcome {
            None | Some(Outcome::Done(None)) => answer(draft, Err(AskError::NoReply)),
            Some(Outcome::Done(Some(reply))) => answer(draft, Ok(Reply::from(reply))),
            Some(Outcome::DoneWith(reply)) => answer(draft, Ok(*reply)),
            Some(Outcome::Failed(failure)) => return self.enter_failure(draft, index, failure, news),
        }
        if number != 0 {
            draft.take(self.actor.id, number);
        }
        false
    }

    fn enter_failure(&self, draft: &mut Draft<Output>, index: usize, failure: Failure, news: &mut News) -> bool {
        let mut message: Message = self.batch.messages.message(index);
        message.envelope.attempt += self.batch.attempts(index);
        let restart = &self.actor.spec.restart;
        let reason = match failure {
            Failure::Retry(text) if message.envelope.attempt < restart.attempts => {
                let ceiling: Duration = restart.backoff.ceiling(message.envelope.attempt);
                let due = Instant::now() + self.shared.jitter.below(ceiling);
                hold(draft, self.actor.id, &message, self.shared.wall_time(due));
                news.retried.push((message.envelope, text));
                self.instance.backlog.lock().delayed.push((due, message));
                return true;
            }
            Failure::Retry(text) => DeadReason::Failed(text),
            Failure::Reject(text) => DeadReason::Rejected(text),
            Failure::BadReply(text) => DeadReason::BadReply(text),
        };
        news.letters.push((self.actor.clone(), message.envelope, reason.clone()));
        self.shared.routing.count_unhandled(&self.actor, 1);
        self.shared.routing.letter_in(draft, &self.actor, message, &reason);
        false
    }

    /// Answers an asker. When sends of the same turn are on their way to the store, the answer follows them.
    #[inline]
    pub(super) fn answer(&self, token: ReplyToken, answer: FullAnswer) {
        if self.entered.is_some() && token.is_some() {
            self.answer_later(token, answer);
        } else {
            self.shared.routing.asks.answer(token, answer);
        }
    }

    #[cold]
    fn answer_later(&self, token: ReplyToken, answer: FullAnswer) {
        let routing = &self.shared.routing;
        if let Some(journal) = &routing.journal {
            routing.enter(journal, None, EntrySpace::NONE, |draft| draft.output(Output::Answer(token, answer)));
        }
    }

    fn log(&self, news: News) {
        for (actor, envelope, reason) in news.letters {
            let run = (actor.id == self.actor.id).then_some(self.incarnation);
            log_letter(run, &actor, &envelope, &reason);
        }
        let (attempts, run) = (self.actor.spec.restart.attempts, self.incarnation());
        for (envelope, failure) in news.retried {
            let subject = (self.actor.about_run(run), AboutMessage::from(&envelope));
            MessageRetried { subject, reason: "failed", attempts, failure: &failure }.log();
        }
    }
}
