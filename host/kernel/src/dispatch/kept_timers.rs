//! The timers of stored actors. They belong to the actor, and not to one of its incarnations: a crash, a passivation and the end
//! of the host do not end them.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::dispatch::routing::output::Output;
use crate::journal::entry::{FIRST_CHOSEN_TIMER, Op, TimerIds};
use crate::journal::order::Draft;
use crate::mailbox::MessagePlace;
use crate::words::address::Address;
use crate::words::message::{ActorId, Envelope, Payload, kept_number};

/// Number of ids below [`FIRST_CHOSEN_TIMER`] that an incarnation gets at a time.
const ID_BLOCK: u64 = 1 << 16;
/// The shortest period of a timer.
pub(crate) const SHORTEST_PERIOD: Duration = Duration::from_millis(1);

/// One timer.
pub(crate) struct KeptTimer {
    /// The actor that set it, which may be a member of a family that is not in memory.
    pub(crate) owner: Address,
    pub(crate) to: Address,
    /// The envelope of its next message.
    pub(crate) envelope: Envelope,
    /// The optional parts of its messages, and their body.
    pub(crate) content: Arc<[u8]>,
    /// Its delay, or its period.
    pub(crate) wait: Duration,
    pub(crate) again: bool,
    /// The place of the latest message of a periodic timer in this run of the host, and the actor in whose mailbox it is.
    pub(crate) latest: Option<(ActorId, MessagePlace)>,
}

impl KeptTimer {
    pub(crate) fn new(
        (owner, to): (Address, Address),
        (envelope, content): (Envelope, &[u8]),
        wait: Duration,
        again: bool,
    ) -> Self {
        let wait = if again { wait.max(SHORTEST_PERIOD) } else { wait };
        Self { owner, to, envelope, content: content.into(), wait, again, latest: None }
    }

    pub(crate) fn payload(&self) -> Payload<'_> {
        Payload::of(self.envelope.parts, &self.content)
    }

    pub(crate) fn record(&self) -> Vec<u8> {
        let mut record = self.envelope.encode(self.content.len()).to_vec();
        record.extend_from_slice(&self.content);
        record
    }
}

/// The timers of all stored actors, by due time and by actor.
#[derive(Default)]
pub(crate) struct KeptTimers {
    inner: Mutex<Inner>,
    /// Tells that another timer is the first one.
    pub(crate) changed: Notify,
}

#[derive(Default)]
struct Inner {
    /// By due time, then in the order in which they were set.
    queue: BTreeMap<Place, (ActorId, u64)>,
    actors: HashMap<ActorId, OfActor>,
    set: u64,
}

/// The due time of a timer, and its number among those that were set.
pub(crate) type Place = (Instant, u64);

#[derive(Default)]
struct OfActor {
    timers: HashMap<u64, (Place, KeptTimer)>,
    /// Bytes of the messages that they will send.
    bytes: usize,
    /// The highest ids that were given to code, committed or not.
    ids: TimerIds,
}

/// A timer at its place.
pub(crate) struct Due {
    pub(crate) place: Place,
    pub(crate) actor: ActorId,
    pub(crate) id: u64,
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

    /// Goes on after the ids of earlier runs, or of an earlier time in memory.
    pub(crate) fn restore_ids(&self, actor: ActorId, ids: TimerIds) {
        let mut inner = self.inner.lock();
        let known = &mut inner.actors.entry(actor).or_default().ids;
        known.given = known.given.max(ids.given);
        known.chosen = known.chosen.max(ids.chosen);
    }

    /// Forgets the ids of an actor that has no timers: it leaves the memory.
    pub(crate) fn forget_ids(&self, actor: ActorId) {
        let mut inner = self.inner.lock();
        if inner.actors.get(&actor).is_some_and(|of| of.timers.is_empty()) {
            inner.actors.remove(&actor);
        }
    }

    /// Lets a timer that is due fire at another time, without an entry.
    pub(crate) fn defer(&self, due: &Due, next: impl FnOnce(&KeptTimer) -> Instant) {
        let mut inner = self.inner.lock();
        let Some(timer) = inner.remove(due.actor, due.id, Some(due.place)) else { return };
        let next = next(&timer);
        let is_first = inner.insert((due.actor, due.id), next, timer);
        drop(inner);
        if is_first {
            self.changed.notify_one();
        }
    }

    /// Adds a timer that is due at this moment.
    pub(crate) fn insert(&self, of: (ActorId, u64), due: Instant, timer: KeptTimer) {
        let is_first = self.inner.lock().insert(of, due, timer);
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

    /// Removes all timers of an actor that is gone, which its entry says. Returns for how many of them the play waited.
    pub(crate) fn forget(&self, actor: ActorId) -> u64 {
        let mut inner = self.inner.lock();
        let Some(of) = inner.actors.remove(&actor) else { return 0 };
        for (place, _) in of.timers.values() {
            inner.queue.remove(place);
        }
        of.timers.values().filter(|(_, timer)| !timer.again).count() as u64
    }

    /// Lets the task that fires them look at its end.
    pub(crate) fn wake(&self) {
        self.changed.notify_one();
    }

    /// Looks at a timer, if it is still there.
    pub(crate) fn look<T>(&self, due: &Due, look: impl FnOnce(&KeptTimer) -> T) -> Option<T> {
        let inner = self.inner.lock();
        inner.actors.get(&due.actor).and_then(|of| of.timers.get(&due.id)).map(|(_, timer)| look(timer))
    }

    /// Removes a timer, if it is still at its place.
    pub(crate) fn remove(&self, due: &Due) -> Option<KeptTimer> {
        self.inner.lock().remove(due.actor, due.id, Some(due.place))
    }

    /// The timer that is due before all others.
    pub(crate) fn first(&self) -> Option<Due> {
        let inner = self.inner.lock();
        inner.queue.first_key_value().map(|(place, (actor, id))| Due { place: *place, actor: *actor, id: *id })
    }
}

impl Inner {
    /// Adds a timer; true when it is due before all others.
    fn insert(&mut self, (actor, id): (ActorId, u64), due: Instant, timer: KeptTimer) -> bool {
        let place = (due, self.set);
        self.set += 1;
        self.queue.insert(place, (actor, id));
        let of = self.actors.entry(actor).or_default();
        of.bytes += timer.content.len();
        of.timers.insert(id, (place, timer));
        self.queue.first_key_value().is_some_and(|(first, _)| *first == place)
    }

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
