//! A bound on the incarnations that live at a time. Who comes when all slots are taken waits in line, and the one that has
//! been idle for longest, of those that may be passivated, ends for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::actor::Actor;
use crate::lane::Lane;
use crate::plan::MaxInstances;

/// What a lane says about itself, so that somebody else can have its slot.
#[derive(Default)]
pub(crate) struct Leave {
    /// Since when it has nothing to do and could be passivated, counted in microseconds from 1; 0 while that is not so.
    idle_since: AtomicU64,
    /// Somebody waits for its slot.
    asked: AtomicBool,
}

impl Leave {
    /// It has nothing to do, and could go.
    pub(crate) fn idle(&self, slots: &Slots, now: Instant) {
        let since = now.saturating_duration_since(slots.began).as_micros();
        self.idle_since.store(u64::try_from(since).unwrap_or(u64::MAX).saturating_add(1), Ordering::SeqCst);
    }

    /// It has something to do again. True when it was asked to leave meanwhile, so that somebody else must be.
    pub(crate) fn busy(&self) -> bool {
        self.idle_since.store(0, Ordering::Relaxed);
        self.asked.load(Ordering::Relaxed) && self.asked.swap(false, Ordering::Relaxed)
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

/// Who has a slot.
type Seated = (Arc<Actor>, Arc<Lane>);

/// The slots, and the line in front of them.
pub(crate) struct Slots {
    free: Arc<Semaphore>,
    bound: MaxInstances,
    began: Instant,
    /// Who waits in line.
    waiting: AtomicUsize,
    /// Those that live and may be passivated, in the order of their starts.
    live: Mutex<BTreeMap<u64, Seated>>,
    last: AtomicU64,
}

/// The right of one incarnation to live.
pub(crate) struct Slot {
    slots: Arc<Slots>,
    number: u64,
    _permit: OwnedSemaphorePermit,
}

impl Slots {
    pub(crate) fn new(bound: MaxInstances) -> Self {
        Self {
            free: Arc::new(Semaphore::new(bound.most.min(Semaphore::MAX_PERMITS))),
            bound,
            began: Instant::now(),
            waiting: AtomicUsize::new(0),
            live: Mutex::default(),
            last: AtomicU64::new(0),
        }
    }

    /// Waits for a slot, first come first served. Dropping the future leaves the line.
    pub(crate) async fn take(self: &Arc<Self>, actor: &Arc<Actor>, lane: &Arc<Lane>) -> Slot {
        let permit = match self.free.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => self.wait_in_line(actor).await,
        };
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        if actor.spec.idle_stop.is_some() {
            self.live.lock().insert(number, (actor.clone(), lane.clone()));
        }
        Slot { slots: self.clone(), number, _permit: permit }
    }

    async fn wait_in_line(&self, actor: &Actor) -> OwnedSemaphorePermit {
        // Before the look at who is idle; who becomes idle says so before it looks for a line. So one of them sees the other.
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _in_line = InLine(&self.waiting);
        if !self.make_room() {
            let MaxInstances { most, key } = &self.bound;
            tracing::warn!(
                target: "playhouse", address = %actor.address(),
                "waits for room to start: {most} instances run, which is all that {key} admits, and none of them has \
                 nothing to do and `idle = \"stop\"`"
            );
        }
        self.free.clone().acquire_owned().await.expect("it is never closed")
    }

    /// Somebody waits for a slot: who is idle and may go, goes at once.
    pub(crate) fn has_line(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// Asks the one that has been idle for longest to leave; false when nobody is.
    pub(crate) fn make_room(&self) -> bool {
        let chosen = {
            let live = self.live.lock();
            let idle = live.values().filter_map(|(actor, lane)| {
                let since = lane.leave.idle_since.load(Ordering::SeqCst);
                (since > 0 && !lane.leave.is_asked()).then_some((since, actor, lane))
            });
            idle.min_by_key(|(since, ..)| *since).map(|(_, actor, lane)| {
                lane.leave.asked.store(true, Ordering::Relaxed);
                (actor.clone(), lane.index)
            })
        };
        if let Some((actor, lane)) = &chosen {
            actor.mailbox.nudge(*lane);
        }
        chosen.is_some()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some((_, lane)) = self.slots.live.lock().remove(&self.number) {
            lane.leave.busy();
        }
    }
}

/// A place in the line.
struct InLine<'a>(&'a AtomicUsize);

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
