//! The timers of stored actors at work: to set, fire and cancel one is a part of an entry of the journal.
//!
//! Lock order: the journal, then the timers, then a mailbox. No lock of a mailbox is taken under that of the timers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::actor::Actor;
use crate::dispatch::Shared;
use crate::dispatch::kept_timers::{Due, KeptTimer, SHORTEST_PERIOD};
use crate::dispatch::routing::dead_letter::{log_letter, log_letter_to_none};
use crate::dispatch::routing::entering::{PlayJournal, load_of, put};
use crate::dispatch::routing::output::Output;
use crate::dispatch::routing::reservation::{Given, Patience, try_reserve};
use crate::journal::entry::{Op, StoredTimer};
use crate::journal::order::Draft;
use crate::mailbox::MessagePlace;
use crate::words::address::Address;
use crate::words::clock::later;
use crate::words::dead_letter::DeadReason;
use crate::words::message::{ActorId, Envelope, Message};
use crate::words::send_error::SendError;

/// Timers that fire before other tasks run.
const FAIR_SHARE: usize = 64;

/// Fires the timers that are due, in order, until the host ends.
pub(crate) async fn fire_timers(shared: Arc<Shared>) {
    let Some(journal) = shared.routing.journal.clone() else { return };
    let timers = &shared.routing.kept_timers;
    let mut fired = 0;
    while !shared.routing.host_ends.load(Ordering::Acquire) {
        let changed = timers.changed.notified();
        match timers.first() {
            None => changed.await,
            Some(Due { place: (due, _), .. }) if due > Instant::now() => {
                let _ = tokio::time::timeout_at(due, changed).await;
            }
            Some(due) => {
                shared.fire_kept(&journal, &due).await;
                fired += 1;
                if fired % FAIR_SHARE == 0 {
                    tokio::task::yield_now().await;
                }
            }
        }
    }
}

impl Shared {
    /// Sets a timer of an actor, as a part of an entry.
    pub(crate) fn set_kept(&self, draft: &mut Draft<Output>, (actor, id): (ActorId, u64), timer: KeptTimer) {
        if !timer.again {
            self.activity.begin();
        }
        let due = later(timer.wait);
        draft.op(self.op_of(actor, id, due, &timer));
        self.routing.kept_timers.insert((actor, id), due, timer);
    }

    /// Goes on with a timer of an earlier run. One that is overdue fires once, at once; one that repeats keeps its step. However the
    /// clock jumped, none is further away than its own wait.
    pub(crate) fn restore_kept(&self, (actor, owner): (ActorId, &Address), stored: &StoredTimer, message: &Message) {
        let now = Instant::now();
        let due = match stored.due.duration_since(self.wall_time(now)) {
            Ok(left) => now.checked_add(left.min(stored.wait)).unwrap_or(now),
            Err(overdue) if stored.again => {
                let late = overdue.duration().as_nanos() % stored.wait.max(SHORTEST_PERIOD).as_nanos();
                let late = Duration::from_nanos(u64::try_from(late).unwrap_or_default());
                now.checked_sub(late).unwrap_or(now)
            }
            Err(_) => now,
        };
        if !stored.again {
            self.activity.begin();
        }
        let content = [&message.parts[..], &message.body].concat();
        let between = (owner.clone(), stored.to.clone());
        let timer = KeptTimer::new(between, (message.envelope, &content), stored.wait, stored.again);
        self.routing.kept_timers.insert((actor, stored.id), due, timer);
    }

    fn op_of(&self, actor: ActorId, id: u64, due: Instant, timer: &KeptTimer) -> Op {
        let KeptTimer { to, wait, again, .. } = timer;
        let (due, to, record) = (self.wall_time(due), to.clone(), timer.record());
        Op::Timer { actor, timer: Box::new(StoredTimer { id, due, wait: *wait, again: *again, to, record }) }
    }

    /// Sends the message of a timer, without waiting for space in the receiver's mailbox: it is a dead letter when there is none. A
    /// periodic timer skips this period while its latest message still waits.
    async fn fire_kept(self: &Arc<Self>, journal: &PlayJournal, due: &Due) {
        let (routing, timers) = (&self.routing, &self.routing.kept_timers);
        let looked = timers.look(due, |timer| {
            let payload = timer.payload();
            ((timer.owner.clone(), timer.to.clone()), load_of(&payload), payload.body.len(), timer.latest)
        });
        let Some(((owner, to), load, body_bytes, latest)) = looked else { return };
        let (target, not_made) = match self.receiver_from(&to, &owner).await {
            Ok(target) => (Some(target), None),
            Err(SendError::UnknownAddress(_) | SendError::Stopped(_)) => (None, None),
            Err(error) => (None, Some(DeadReason::NotMade(Box::new(error)))),
        };
        if let (Some((id, place)), Some(target)) = (latest, &target)
            && id == target.id
            && target.mailbox.still_waits(place)
            && target.mailbox.len() > 0
        {
            timers.defer(due, |timer| next_due(due.place.0, timer.wait));
            return;
        }
        let space_in_journal = journal.space(load.bytes).await;
        let mut given: Given = match &target {
            Some(target) if target.spec.limits.message_bytes >= body_bytes => {
                try_reserve(target, load, Patience::No).unwrap_or(Err(DeadReason::MailboxFull))
            }
            _ => Err(not_made.unwrap_or(DeadReason::Stopped)),
        };
        // A mailbox that is closed now may be open in the next run, in which the timer fires.
        if routing.host_ends.load(Ordering::Acquire) {
            return;
        }
        let fired = routing.enter(journal, None, space_in_journal, |draft| {
            let timer = timers.remove(due)?;
            let (envelope, again) = (timer.envelope, timer.again);
            let refused = match &mut given {
                Ok(space) => put(draft, space, &timer.record()).map(|(_, reason)| reason),
                Err(reason) => Some(reason.clone()),
            };
            if let Some(reason) = &refused {
                let message = Message::of(envelope, timer.payload());
                self.letter_of_timer(
                    draft,
                    (target.as_deref().map(|target| &**target), due.actor, &to),
                    message,
                    reason,
                );
            }
            if again {
                let next = next_due(due.place.0, timer.wait);
                // Others may send meanwhile: then the timer waits for one of their messages instead. At the edge, the message
                // comes when the entry is durable.
                let latest = target.as_ref().filter(|_| refused.is_none()).map(|target| {
                    let place = target.mailbox.accepted() + u64::from(target.is_edge());
                    (target.id, MessagePlace::Log(place))
                });
                let timer = KeptTimer { envelope: Envelope { id: envelope.id.caused(0), ..envelope }, latest, ..timer };
                draft.op(self.op_of(due.actor, due.id, next, &timer));
                timers.insert((due.actor, due.id), next, timer);
            } else {
                draft.op(Op::Cancel { actor: due.actor, id: due.id });
            }
            Some((envelope, refused, again))
        });
        let Some((envelope, refused, again)) = fired.value else { return };
        match (&target, refused) {
            (Some(target), Some(reason)) => log_letter(None, target, &envelope, &reason),
            (None, Some(reason)) => log_letter_to_none(&to, &envelope, &reason),
            (_, None) => {}
        }
        if !again {
            self.activity.end(1);
        }
    }

    /// A message without a receiver counts for the actor that set the timer.
    fn letter_of_timer(
        &self,
        draft: &mut Draft<Output>,
        (target, owner, to): (Option<&Actor>, ActorId, &Address),
        message: Message,
        reason: &DeadReason,
    ) {
        let owner = target.map_or(owner, |target| self.routing.registry.planned_above(target));
        self.routing.letter_for(draft, (owner, to), message, reason);
    }
}

/// The next time of a timer with this period. One that is late by more than a period keeps its rhythm, and skips the missed times.
fn next_due(due: Instant, period: Duration) -> Instant {
    let missed = (Instant::now() - due).as_nanos() / period.as_nanos();
    let wait = period.saturating_mul(u32::try_from(missed).unwrap_or(u32::MAX - 1) + 1);
    due.checked_add(wait).unwrap_or_else(|| later(wait))
}
