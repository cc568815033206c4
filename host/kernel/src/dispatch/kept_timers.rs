//! The timers of stored actors. They belong to the actor, and not to one of its incarnations: a crash, a passivation and the end
//! of the host do not end them. To set, fire and cancel one is a part of an entry of the journal.
//!
//! Lock order: the journal, then the timers, then a mailbox. No lock of a mailbox is taken under that of the timers.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::actor::Actor;
use crate::dispatch::Shared;
use crate::dispatch::routing::dead_letter::{log_letter, log_letter_to_none};
use crate::dispatch::routing::entering::{PlayJournal, load_of, put};
use crate::dispatch::routing::output::Output;
use crate::dispatch::routing::reservation::{Given, Patience, try_reserve};
use crate::journal::entry::{FIRST_CHOSEN_TIMER, Op, StoredTimer, TimerIds};
use crate::journal::order::Draft;
use crate::mailbox::MessagePlace;
use crate::words::address::Address;
use crate::words::clock::later;
use crate::words::dead_letter::DeadReason;
use crate::words::message::{ActorId, Envelope, Message, Payload, kept_number};

/// Number of ids below [`FIRST_CHOSEN_TIMER`] that an incarnation gets at a time.
const ID_BLOCK: u64 = 1 << 16;
/// The shortest period of a timer.
pub(crate) const SHORTEST_PERIOD: Duration = Duration::from_millis(1);
/// Timers that fire before other tasks run.
const FAIR_SHARE: usize = 64;

/// One timer.
pub(crate) struct KeptTimer {
    pub(crate) to: Address,
    /// The envelope of its next message.
    pub(crate) envelope: Envelope,
    /// The optional parts of its messages, and their body.
    pub(crate) content: Arc<[u8]>,
    /// Its delay, or its period.
    pub(crate) wait: Duration,
    pub(crate) again: bool,
    /// The place of the latest message of a periodic timer in this run of the host, and the actor in whose mailbox it is.
    latest: Option<(ActorId, MessagePlace)>,
}

impl KeptTimer {
    pub(crate) fn new(to: Address, (envelope, content): (Envelope, &[u8]), wait: Duration, again: bool) -> Self {
        let wait = if again { wait.max(SHORTEST_PERIOD) } else { wait };
        Self { to, envelope, content: content.into(), wait, again, latest: None }
    }

    fn payload(&self) -> Payload<'_> {
        Payload::of(self.envelope.parts, &self.content)
    }

    fn record(&self) -> Vec<u8> {
        let mut record = self.envelope.encode(self.content.len()).to_vec();
        record.extend_from_slice(&self.content);
        record
    }
}

/// The timers of all stored actors, by due time and by actor.
#[derive(Default)]
pub(crate) struct KeptTimers {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    /// By due time, then in the order in which they were set.
    queue: BTreeMap<Place, (ActorId, u64)>,
    actors: HashMap<ActorId, OfActor>,
    set: u64,
}

/// The due time of a timer, and its number among those that were set.
type Place = (Instant, u64);

#[derive(Default)]
struct OfActor {
    timers: HashMap<u64, (Place, KeptTimer)>,
    /// Bytes of the messages that they will send.
    bytes: usize,
    /// The highest ids that were given to code, committed or not.
    ids: TimerIds,
}

/// A timer that is due.
struct Due {
    place: Place,
    actor: ActorId,
    id: u64,
}

impl KeptTimers {
    /// The number of an actor's timers, and the bytes of their messages.
    pub(crate) fn load(&self, actor: ActorId) -> (usize, usize) {
        self.inner.lock().actors.get(&actor).map_or((0, 0), |of| (of.timers.len(), of.bytes))
    }

    /// An id that no timer of the actor ever had, for a timer that is recorded alone.
    pub(crate) fn choose_id(&self, actor: ActorId) -> u64 {
        let mut inner = self.inner.lock();
        let ids = &mut inner.actors.entry(actor).or_default().ids;
        ids.chosen = kept_number(ids.chosen.max(FIRST_CHOSEN_TIMER - 1) + 1);
        ids.chosen
    }

    /// Ids that no timer of the actor ever had, for timers in the frames of one incarnation.
    pub(crate) fn choose_block(&self, actor: ActorId) -> Range<u64> {
        let mut inner = self.inner.lock();
        let ids = &mut inner.actors.entry(actor).or_default().ids;
        let first = ids.given + 1;
        ids.given = (ids.given + ID_BLOCK).min(FIRST_CHOSEN_TIMER - 1);
        first..ids.given + 1
    }

    /// Sets a timer, as a part of an entry.
    pub(crate) fn set(
        &self,
        shared: &Shared,
        draft: &mut Draft<Output>,
        (actor, id): (ActorId, u64),
        timer: KeptTimer,
    ) {
        if !timer.again {
            shared.activity.begin();
        }
        let due = later(timer.wait);
        draft.op(op_of(shared, actor, id, due, &timer));
        self.insert((actor, id), due, timer);
    }

    /// Goes on with a timer of an earlier run. One that is overdue fires once, at once; one that repeats keeps its step. However the
    /// clock jumped, none is further away than its own wait.
    pub(crate) fn restore(&self, shared: &Shared, actor: ActorId, stored: &StoredTimer, message: &Message) {
        let now = Instant::now();
        let due = match stored.due.duration_since(shared.wall_time(now)) {
            Ok(left) => now.checked_add(left.min(stored.wait)).unwrap_or(now),
            Err(overdue) if stored.again => {
                let late = overdue.duration().as_nanos() % stored.wait.max(SHORTEST_PERIOD).as_nanos();
                let late = Duration::from_nanos(u64::try_from(late).unwrap_or_default());
                now.checked_sub(late).unwrap_or(now)
            }
            Err(_) => now,
        };
        if !stored.again {
            shared.activity.begin();
        }
        let content = [&message.parts[..], &message.body].concat();
        let timer = KeptTimer::new(stored.to.clone(), (message.envelope, &content), stored.wait, stored.again);
        self.insert((actor, stored.id), due, timer);
    }

    /// Goes on after the ids of earlier runs.
    pub(crate) fn restore_ids(&self, actor: ActorId, ids: TimerIds) {
        self.inner.lock().actors.entry(actor).or_default().ids = ids;
    }

    fn insert(&self, (actor, id): (ActorId, u64), due: Instant, timer: KeptTimer) {
        let mut inner = self.inner.lock();
        let place = (due, inner.set);
        inner.set += 1;
        inner.queue.insert(place, (actor, id));
        let of = inner.actors.entry(actor).or_default();
        of.bytes += timer.content.len();
        of.timers.insert(id, (place, timer));
        let is_first = inner.queue.first_key_value().is_some_and(|(first, _)| *first == place);
        drop(inner);
        if is_first {
            self.changed.notify_one();
        }
    }

    /// Cancels a timer, as a part of an entry. Returns whether the play waited for it. An id without a timer has no effect.
    pub(crate) fn cancel(&self, draft: &mut Draft<Output>, actor: ActorId, id: u64) -> bool {
        let Some(timer) = self.inner.lock().remove(actor, id, None) else { return false };
        draft.op(Op::Cancel { actor, id });
        !timer.again
    }

    /// Lets the task that fires them look at its end.
    pub(crate) fn wake(&self) {
        self.changed.notify_one();
    }

    fn first(&self) -> Option<Due> {
        let inner = self.inner.lock();
        inner.queue.first_key_value().map(|(place, (actor, id))| Due { place: *place, actor: *actor, id: *id })
    }
}

impl Inner {
    /// Removes a timer, if it is at this place.
    fn remove(&mut self, actor: ActorId, id: u64, at: Option<Place>) -> Option<KeptTimer> {
        let of = self.actors.get_mut(&actor)?;
        let place = of.timers.get(&id)?.0;
        if at.is_some_and(|at| at != place) {
            return None;
        }
        let (_, timer) = of.timers.remove(&id)?;
        of.bytes -= timer.content.len();
        self.queue.remove(&place);
        Some(timer)
    }
}

fn op_of(shared: &Shared, actor: ActorId, id: u64, due: Instant, timer: &KeptTimer) -> Op {
    let KeptTimer { to, wait, again, .. } = timer;
    let (due, to, record) = (shared.wall_time(due), to.clone(), timer.record());
    Op::Timer { actor, timer: Box::new(StoredTimer { id, due, wait: *wait, again: *again, to, record }) }
}

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
    /// Sends the message of a timer, without waiting for space in the receiver's mailbox: it is a dead letter when there is none. A
    /// periodic timer skips this period while its latest message still waits.
    async fn fire_kept(&self, journal: &PlayJournal, due: &Due) {
        let (routing, timers) = (&self.routing, &self.routing.kept_timers);
        let looked = {
            let inner = timers.inner.lock();
            inner.actors.get(&due.actor).and_then(|of| of.timers.get(&due.id)).map(|(_, timer)| {
                let payload = timer.payload();
                (timer.to.clone(), load_of(&payload), payload.body.len(), timer.latest)
            })
        };
        let Some((to, load, body_bytes, latest)) = looked else { return };
        let target = routing.registry.get(&to);
        if let (Some((id, place)), Some(target)) = (latest, &target)
            && id == target.id
            && target.mailbox.still_waits(place)
            && target.mailbox.len() > 0
        {
            let mut inner = timers.inner.lock();
            let timer = inner.remove(due.actor, due.id, Some(due.place));
            drop(inner);
            if let Some(timer) = timer {
                timers.insert((due.actor, due.id), next_due(due.place.0, timer.wait), timer);
            }
            return;
        }
        let space_in_journal = journal.space(load.bytes).await;
        let mut given: Given = match &target {
            Some(target) if target.spec.limits.message_bytes >= body_bytes => {
                try_reserve(target, load, Patience::No).unwrap_or(Err(DeadReason::MailboxFull))
            }
            _ => Err(DeadReason::Stopped),
        };
        // What is closed now may be open in the next run, in which the timer fires.
        if routing.host_ends.load(Ordering::Acquire) {
            return;
        }
        let fired = routing.enter(journal, None, space_in_journal, |draft| {
            let timer = timers.inner.lock().remove(due.actor, due.id, Some(due.place))?;
            let (envelope, again) = (timer.envelope, timer.again);
            let refused = match &mut given {
                Ok(space) => put(draft, space, &timer.record()).map(|(_, reason)| reason),
                Err(reason) => Some(reason.clone()),
            };
            if let Some(reason) = &refused {
                let message = Message::of(envelope, timer.payload());
                self.letter_of_timer(draft, (target.as_deref(), due.actor, &to), message, reason);
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
                draft.op(op_of(self, due.actor, due.id, next, &timer));
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
