//! The timers of one incarnation: they send in its name, and end with it. Made when the first timer is set, so that an actor
//! without timers has no cost.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::actor::Actor;
use crate::actor::pinned::Pinned;
use crate::dispatch::Shared;
use crate::dispatch::routing::entering::{PlayJournal, load_of};
use crate::dispatch::routing::reservation::reserve_now;
use crate::mailbox::{MessagePlace, Overflow, Refused, Space};
use crate::words::clock::later;
use crate::words::dead_letter::DeadReason;
use crate::words::message::{ActorId, Envelope, Message, Payload};
use crate::words::send_error::SendError;

/// One timer.
pub(crate) struct Timer {
    pub(crate) target: Arc<Actor>,
    /// The envelope of the next message that it sends.
    pub(crate) envelope: Envelope,
    /// The optional parts of its messages, and their body.
    pub(crate) content: Vec<u8>,
    /// The period of a timer that fires repeatedly.
    pub(crate) period: Option<Duration>,
    /// The place of the latest message of a periodic timer, and the actor in whose mailbox it is.
    pub(crate) latest: Option<(ActorId, MessagePlace)>,
}

impl Timer {
    fn payload(&self) -> Payload<'_> {
        Payload::of(self.envelope.parts, &self.content)
    }
}

/// All timers of an incarnation. They end when this is dropped.
pub(crate) struct Timers {
    queue: Arc<TimerQueue>,
}

struct TimerQueue {
    shared: Arc<Shared>,
    actor: Arc<Actor>,
    /// Locked while a timer fires, so that none fires after the end.
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    ended: bool,
    /// By due time, then in the order in which they were set.
    queue: BTreeMap<(Instant, u64), (u64, Timer)>,
    /// The key of each timer in the queue.
    places: HashMap<u64, (Instant, u64)>,
    set: u64,
    /// Bytes of the messages that they will send.
    bytes: usize,
}

impl Timers {
    /// The timers of an actor; they run on the runtime of the actors.
    pub(crate) fn new(shared: Arc<Shared>, actor: Arc<Actor>) -> Self {
        let queue = Arc::new(TimerQueue { shared, actor, inner: Mutex::default(), changed: Notify::new() });
        queue.shared.spawn(run(queue.clone()));
        Self { queue }
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.inner.lock().queue.len()
    }

    /// Bytes of the messages that they will send.
    pub(crate) fn bytes(&self) -> usize {
        self.queue.inner.lock().bytes
    }

    pub(crate) fn set(&self, id: u64, due: Instant, timer: Timer) {
        let mut inner = self.queue.inner.lock();
        if inner.ended {
            return;
        }
        if timer.period.is_none() {
            self.queue.shared.activity.begin();
        }
        let place = (due, inner.set);
        inner.set += 1;
        inner.places.insert(id, place);
        inner.bytes += timer.content.len();
        inner.queue.insert(place, (id, timer));
        let first = inner.queue.first_key_value().is_some_and(|(at, _)| *at == place);
        drop(inner);
        if first {
            self.queue.changed.notify_one();
        }
    }

    /// Returns whether there was such a timer.
    pub(crate) fn cancel(&self, id: u64) -> bool {
        let mut inner = self.queue.inner.lock();
        let cancelled = inner.places.remove(&id).and_then(|place| inner.queue.remove(&place));
        inner.bytes -= cancelled.as_ref().map_or(0, |(_, timer)| timer.content.len());
        drop(inner);
        let was_set = cancelled.is_some();
        if cancelled.is_some_and(|(_, timer)| timer.period.is_none()) {
            self.queue.shared.activity.end(1);
        }
        was_set
    }

    /// Ends all timers: none fires any more.
    pub(crate) fn end(&self) {
        let mut inner = self.queue.inner.lock();
        inner.ended = true;
        inner.places.clear();
        inner.bytes = 0;
        let left = std::mem::take(&mut inner.queue);
        drop(inner);
        let once = left.values().filter(|(_, timer)| timer.period.is_none()).count();
        if once > 0 {
            self.queue.shared.activity.end(once as u64);
        }
        self.queue.changed.notify_one();
    }
}

impl Drop for Timers {
    fn drop(&mut self) {
        self.end();
    }
}

/// Fires timers that are due, in order, until the end.
async fn run(queue: Arc<TimerQueue>) {
    loop {
        let next = {
            let mut inner = queue.inner.lock();
            if inner.ended {
                return;
            }
            queue.fire_due(&mut inner, Instant::now());
            inner.queue.first_key_value().map(|((due, _), _)| *due)
        };
        let changed = queue.changed.notified();
        match next {
            None => changed.await,
            Some(due) => {
                let _ = tokio::time::timeout_at(due, changed).await;
            }
        }
    }
}

impl TimerQueue {
    fn fire_due(&self, inner: &mut Inner, now: Instant) {
        while let Some(first) = inner.queue.first_entry().filter(|first| first.key().0 <= now) {
            let ((due, _), (id, mut timer)) = first.remove_entry();
            self.tell(&mut timer);
            let Some(period) = timer.period else {
                inner.places.remove(&id);
                inner.bytes -= timer.content.len();
                self.shared.activity.end(1);
                continue;
            };
            // A timer that is late by more than a period keeps its rhythm and skips the missed times.
            let missed = (now - due).as_nanos() / period.as_nanos();
            let wait = period.saturating_mul(u32::try_from(missed).unwrap_or(u32::MAX - 1) + 1);
            let place = (due.checked_add(wait).unwrap_or_else(|| later(wait)), inner.set);
            inner.set += 1;
            let envelope = Envelope { id: timer.envelope.id.caused(0), ..timer.envelope };
            inner.places.insert(id, place);
            inner.queue.insert(place, (id, Timer { envelope, ..timer }));
        }
    }

    /// Sends the timer's message without waiting for space. If the receiver was removed, the actor that has its address now
    /// gets the message. A periodic timer skips this period while its latest message still waits.
    fn tell(&self, timer: &mut Timer) {
        let pinned = match self.receiver(&timer.target) {
            Ok(Receiver::Known) => None,
            Ok(Receiver::Other(pinned)) => Some(pinned),
            Ok(Receiver::InStore) => return self.tell_later(timer),
            Err(error) => {
                let (message, reason) =
                    (Message::of(timer.envelope, timer.payload()), DeadReason::NotMade(error.into()));
                return self.shared.routing.dead_letter(&timer.target, [message], &reason, false);
            }
        };
        let target = pinned.filter(|new| new.spec.limits.message_bytes >= timer.payload().body.len());
        let target = target.as_deref().unwrap_or(&timer.target);
        if timer.latest.is_some_and(|(id, place)| id == target.id && target.mailbox.still_waits(place)) {
            return;
        }
        let routing = &self.shared.routing;
        if let Some(journal) = routing.journal.as_ref().filter(|_| target.mailbox.is_stored()) {
            let target = target.clone();
            return self.tell_stored(journal, &target, timer);
        }
        let (mut inside, mut place) = (false, None);
        let put = |space: &mut Space<'_>| {
            inside = space.put(&timer.envelope, &timer.payload());
            place = inside.then(|| space.place());
        };
        let pushed = target.mailbox.push(&**target, put);
        timer.latest = place.map(|place| (target.id, place));
        let reason = match pushed {
            Ok(displaced) => {
                self.shared.routing.dead_letter(target, displaced, &DeadReason::Overflow, true);
                DeadReason::MailboxFull
            }
            Err(Refused::Full) => DeadReason::MailboxFull,
            // The actor itself is at its end, and its timers with it.
            Err(Refused::Closed) if target.id == self.actor.id => return,
            Err(Refused::Closed) => target.closed_because(),
        };
        if inside {
            return;
        }
        let drops = matches!(target.mailbox.overflow(), Overflow::DropNewest | Overflow::DropOldest);
        let reason = match reason {
            DeadReason::MailboxFull if drops => DeadReason::Overflow,
            reason => reason,
        };
        let message = Message::of(timer.envelope, timer.payload());
        self.shared.routing.dead_letter(target, [message], &reason, false);
    }

    /// The actor that has the address of the target now, if it may be another one: a member of a family, which may have to be made,
    /// or the successor of an actor that was removed.
    fn receiver(&self, target: &Arc<Actor>) -> Result<Receiver, SendError> {
        if target.member().is_some() {
            let found = self.shared.receiver_now(target.address(), self.actor.id)?;
            return Ok(found.map_or(Receiver::InStore, Receiver::Other));
        }
        let other = target.is_gone().then(|| self.shared.routing.registry.pin(target.address())).flatten();
        Ok(other.map_or(Receiver::Known, Receiver::Other))
    }

    /// As [`TimerQueue::tell`], to a member of a family that has to be loaded from the store first.
    fn tell_later(&self, timer: &mut Timer) {
        timer.latest = None;
        let (shared, sender, stand_in) = (self.shared.clone(), self.actor.id, timer.target.clone());
        let (message, not_idle) = (Message::of(timer.envelope, timer.payload()), self.shared.activity.guard());
        self.shared.spawn(async move {
            let _not_idle = not_idle;
            let payload = Payload { parts: &message.parts, body: &message.body };
            let refused = match shared.receiver(stand_in.address(), sender).await {
                Ok(member) => match (reserve_now(&member, load_of(&payload)), &shared.routing.journal) {
                    (Ok(space), Some(journal)) => shared.routing.put_now(journal, space, &message.envelope, &payload),
                    (Err(Refused::Closed), _) => Some(member.closed_because()),
                    _ => Some(DeadReason::MailboxFull),
                },
                Err(error) => Some(DeadReason::NotMade(error.into())),
            };
            if let Some(reason) = refused {
                shared.routing.dead_letter(&stand_in, [message], &reason, false);
            }
        });
    }

    /// As [`TimerQueue::tell`], to an actor whose messages are stored.
    fn tell_stored(&self, journal: &PlayJournal, target: &Arc<Actor>, timer: &mut Timer) {
        let (routing, payload) = (&self.shared.routing, timer.payload());
        let reason = match reserve_now(target, load_of(&payload)) {
            Ok(space) => routing.put_now(journal, space, &timer.envelope, &payload),
            Err(Refused::Closed) => Some(target.closed_because()),
            Err(Refused::Full) if target.mailbox.overflow() == Overflow::DropNewest => Some(DeadReason::Overflow),
            Err(Refused::Full) => Some(DeadReason::MailboxFull),
        };
        match reason {
            // Others may have sent since: then a periodic timer waits for these messages as well.
            None if !target.is_edge() => {
                timer.latest = Some((target.id, MessagePlace::Log(target.mailbox.accepted())));
            }
            None => {}
            // The actor itself is at its end, and its timers with it.
            Some(DeadReason::Stopped) if target.id == self.actor.id => {}
            Some(reason) => {
                let message = Message::of(timer.envelope, payload);
                routing.dead_letter(target, [message], &reason, false);
            }
        }
    }
}

/// Where the message of a timer goes.
enum Receiver {
    /// To the target that it was set for.
    Known,
    /// To the actor that has the address now.
    Other(Pinned),
    /// To a member of a family, after a look into the store.
    InStore,
}
