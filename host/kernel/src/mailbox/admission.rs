//! Admission: bounds on the incarnations that live at a time, of the whole play, of all spawned actors, of a subtree. When
//! all slots are in use, starts queue in order of arrival, and among the incarnations that may be passivated, the one that
//! has been idle for longest ends.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::words::address::Address;
use crate::words::event::{AboutRun, LogEvent};
use crate::words::events::StartWaiting;

/// A bound on the incarnations that live at a time. When all slots are in use, starts queue in order of arrival until another
/// incarnation ends; an idle one that may be passivated ends for them. If within [`crate::ActorLimits::start_timeout`] no slot became
/// free, and no incarnation may be passivated, the start fails. Slots for the instances of each actor of the plan are
/// reserved: spawned actors cannot take them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaxInstances {
    /// The bound.
    pub most: usize,
    /// The key that sets it, for errors, as in "`play.max_instances`".
    pub key: String,
}

impl MaxInstances {
    /// The number of slots for spawned actors. `actors` gives, for each actor of the plan, its instances, and whether it
    /// starts by itself and is never passivated. The result is the bound less all these instances. When the plan has more
    /// instances than the bound, so that those that are passivated take turns, one slot is left, unless it is the only one in
    /// which they can take turns.
    pub fn left_to_spawned(&self, actors: impl IntoIterator<Item = (usize, bool)>) -> usize {
        let (mut stay, mut take_turns) = (0_usize, 0_usize);
        for (instances, stays) in actors {
            *(if stays { &mut stay } else { &mut take_turns }) += instances;
        }
        let wanted = stay.saturating_add(take_turns);
        self.most.checked_sub(wanted).unwrap_or_else(|| usize::from(stay + 1 < self.most))
    }
}

/// Slots that are kept for the grandchildren of an actor: for the children of the actors that it spawns, such as the handlers of
/// a gateway's connections. Other spawned actors cannot take these slots, and those grandchildren take no others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserve {
    /// The actor.
    pub of: Address,
    /// The number of slots.
    pub instances: usize,
}

/// The eviction state of an instance: whether its slot can be freed for another start.
#[derive(Default)]
pub(crate) struct EvictionState {
    /// The time since which it is idle and could be passivated, in microseconds from 1; 0 while it is not.
    idle_since: AtomicU64,
    /// Whether it was asked to end.
    asked: AtomicBool,
}

impl EvictionState {
    /// Marks it as idle, since this time after the kernel's start.
    pub(crate) fn idle(&self, since: Duration) {
        let since = since.as_micros();
        self.idle_since.store(u64::try_from(since).unwrap_or(u64::MAX).saturating_add(1), Ordering::SeqCst);
    }

    /// Marks it as busy again. True when it was asked to end in the meantime, so that another one must be asked.
    pub(crate) fn busy(&self) -> bool {
        self.idle_since.store(0, Ordering::Relaxed);
        self.asked.load(Ordering::Relaxed) && self.asked.swap(false, Ordering::Relaxed)
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

/// An incarnation that takes a slot, as admission sees it.
pub(crate) trait Admitted {
    /// The incarnation as the subject of events.
    fn about(&self) -> AboutRun<'_>;
    /// The time within which a slot must become free, or the queue must move.
    fn start_timeout(&self) -> Duration;
    /// The instance, if it may be passivated.
    fn evictable(&self) -> Option<Arc<dyn Evictable>>;
}

/// A live instance that may be passivated for another start.
pub(crate) trait Evictable: Send + Sync {
    fn state(&self) -> &EvictionState;
    /// Makes the instance look whether it was asked to end.
    fn nudge(&self);
    /// Whether the instance waits until a message comes.
    fn sleeps(&self) -> bool;
}

/// The slots under one bound, and the queue for them.
pub(crate) struct Slots {
    free: Arc<Semaphore>,
    most: usize,
    /// The bound's name in errors, as in "which is all that `play.max_instances` admits".
    rule: String,
    /// Whether it is the bound of a family, whose members all may be passivated.
    is_of_family: bool,
    queue: Queue,
    /// Number of slots taken so far, by which a queued incarnation sees whether the queue moves.
    taken: AtomicU64,
    /// Number of incarnations that have a slot here, and wait for one under a wider bound.
    halfway: AtomicUsize,
    live: Mutex<LiveInstances>,
    last: AtomicU64,
    /// Number of slots in use beyond the bound, by incarnations whose slot was lent when they went on.
    owed: Mutex<usize>,
}

/// Live incarnations that may be passivated.
#[derive(Default)]
struct LiveInstances {
    /// In the order of their starts.
    all: BTreeMap<u64, Arc<dyn Evictable>>,
    /// Those that were idle when all were last looked through, and since when: the next one to be evicted is the first. An entry counts
    /// only while its incarnation has been idle since then; whoever became idle later comes after all of them.
    idle: VecDeque<(u64, u64)>,
}

impl LiveInstances {
    /// The incarnation that has been idle for longest, and was not asked to end.
    fn longest_idle(&mut self) -> Option<Arc<dyn Evictable>> {
        let idle_since = |instance: &Arc<dyn Evictable>| {
            let since = instance.state().idle_since.load(Ordering::SeqCst);
            (since > 0 && !instance.state().is_asked()).then_some(since)
        };
        while let Some((since, number)) = self.idle.pop_front() {
            if let Some(instance) = self.all.get(&number).filter(|instance| idle_since(instance) == Some(since)) {
                return Some(instance.clone());
            }
        }
        let all = self.all.iter();
        self.idle.extend(all.filter_map(|(number, instance)| Some((idle_since(instance)?, *number))));
        self.idle.make_contiguous().sort_unstable();
        let (_, number) = self.idle.pop_front()?;
        self.all.get(&number).cloned()
    }
}

/// The right of one incarnation to live: a slot under each of its bounds.
pub(crate) struct Slot(Vec<Taken>);

/// A slot under one bound.
struct Taken {
    slots: Arc<Slots>,
    /// Its place in [`Slots::live`].
    number: Option<u64>,
    permit: Option<OwnedSemaphorePermit>,
}

/// A slot that an incarnation lends to others while it waits for an answer. It does not wait to have it back: when none is free then, the
/// next one that becomes free counts as its own.
pub(crate) struct Lent(Arc<Slots>);

impl Drop for Lent {
    fn drop(&mut self) {
        let mut owed = self.0.owed.lock();
        match self.0.free.try_acquire() {
            Ok(permit) => permit.forget(),
            Err(_) => *owed += 1,
        }
    }
}

impl Slot {
    /// Waits for a slot under each bound, in order of arrival. The narrowest bound comes first, so that no two incarnations
    /// wait for each other. Dropping the future frees the place in the queue. `Err` says why there will be no slot.
    pub(crate) async fn take(bounds: Vec<Arc<Slots>>, incarnation: &impl Admitted) -> Result<Self, String> {
        let mut halfway = Halfway(Vec::with_capacity(bounds.len()));
        for slots in bounds {
            let permit = match slots.free.clone().try_acquire_owned() {
                Ok(permit) => permit,
                Err(_) => slots.wait_in_queue(incarnation).await?,
            };
            halfway.push(slots, permit);
        }
        let mut slot = halfway.arrive();
        if let Some(instance) = incarnation.evictable() {
            for taken in &mut slot.0 {
                let number = taken.slots.last.fetch_add(1, Ordering::Relaxed);
                taken.slots.live.lock().all.insert(number, instance.clone());
                taken.number = Some(number);
            }
        }
        Ok(slot)
    }

    /// A slot under each bound at once, for a task of an actor beside its incarnations, if each bound has `left` more for
    /// those. `Err` names the bound that has not.
    pub(crate) fn take_now(bounds: Vec<Arc<Slots>>, left: usize) -> Result<Self, String> {
        let mut halfway = Halfway(Vec::with_capacity(bounds.len()));
        let permits = u32::try_from(left.saturating_add(1)).unwrap_or(u32::MAX);
        for slots in bounds {
            let permits = slots.free.clone().try_acquire_many_owned(permits).ok();
            let Some(permit) = permits.and_then(|mut permits| permits.split(1)) else {
                return Err(format!("{}; the actor itself needs {left} of them", slots.full()));
            };
            halfway.push(slots, permit);
        }
        Ok(halfway.arrive())
    }
}

/// Slots under the narrower bounds, while a slot under a wider bound is awaited.
struct Halfway(Vec<Taken>);

impl Halfway {
    fn push(&mut self, slots: Arc<Slots>, permit: OwnedSemaphorePermit) {
        slots.taken.fetch_add(1, Ordering::Relaxed);
        slots.halfway.fetch_add(1, Ordering::Relaxed);
        self.0.push(Taken { slots, number: None, permit: Some(permit) });
    }

    fn arrive(mut self) -> Slot {
        self.release();
        Slot(std::mem::take(&mut self.0))
    }

    fn release(&self) {
        for taken in &self.0 {
            taken.slots.halfway.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Halfway {
    fn drop(&mut self) {
        self.release();
    }
}

impl Slots {
    /// The slots of the members of a family.
    pub(crate) fn of_family(most: usize, rule: String) -> Self {
        Self { is_of_family: true, ..Self::new(most, rule) }
    }

    pub(crate) fn new(most: usize, rule: String) -> Self {
        Self {
            free: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            most,
            rule,
            is_of_family: false,
            queue: Queue::default(),
            taken: AtomicU64::new(0),
            halfway: AtomicUsize::new(0),
            live: Mutex::default(),
            last: AtomicU64::new(0),
            owed: Mutex::new(0),
        }
    }

    /// Lends the slot of an incarnation that has one.
    pub(crate) fn lend(self: &Arc<Self>) -> Lent {
        let mut owed = self.owed.lock();
        match owed.checked_sub(1) {
            Some(left) => *owed = left,
            None => self.free.add_permits(1),
        }
        drop(owed);
        Lent(self.clone())
    }

    /// The bound's name in errors, and the number of starts that wait for a slot.
    pub(crate) fn queue_view(&self) -> (&str, usize) {
        (&self.rule, self.queue.length())
    }

    /// The number of slots in use, and the number of all slots.
    pub(crate) fn usage(&self) -> (usize, usize) {
        (self.most.saturating_sub(self.free.available_permits()), self.most)
    }

    async fn wait_in_queue(&self, incarnation: &impl Admitted) -> Result<OwnedSemaphorePermit, String> {
        if self.most == 0 {
            return Err(self.full());
        }
        // The order matters: this start is counted before it looks for an idle instance, and an instance marks itself idle
        // before it looks for a queue. So one of them sees the other.
        let _queued = self.queue.join();
        if !self.queue.is_without_idle() && !self.evict_idle() && self.queue.found_none_idle() {
            let (holders, idle) = if self.is_of_family {
                ("members have an instance", "idle")
            } else {
                ("instances run", "idle with `idle = \"stop\"`")
            };
            StartWaiting { subject: incarnation.about(), instances: self.most, holders, rule: &self.rule, idle }.log();
        }
        let mut permit = std::pin::pin!(self.free.clone().acquire_owned());
        loop {
            let taken = self.taken.load(Ordering::Relaxed);
            if let Ok(permit) = tokio::time::timeout(incarnation.start_timeout(), permit.as_mut()).await {
                return Ok(permit.expect("it is never closed"));
            }
            if self.taken.load(Ordering::Relaxed) == taken && self.all_stay() {
                return Err(self.full());
            }
        }
    }

    /// Whether none of the incarnations with a slot can end by itself: those that may be passivated sleep without being idle,
    /// because a timer, a watch or a child keeps them.
    fn all_stay(&self) -> bool {
        let stays = |instance: &Arc<dyn Evictable>| {
            let state = instance.state();
            let may_end = state.is_asked() || state.idle_since.load(Ordering::SeqCst) > 0;
            !may_end && instance.sleeps()
        };
        self.halfway.load(Ordering::Relaxed) == 0 && self.live.lock().all.values().all(stays)
    }

    fn full(&self) -> String {
        format!("there is no free slot for another instance: {} run at most, which is {}", self.most, self.rule)
    }

    /// Whether a start waits for a slot. If so, an idle incarnation that may be passivated ends at once.
    pub(crate) fn has_queue(&self) -> bool {
        self.queue.length() > 0
    }

    /// Asks the incarnation that has been idle for longest to end; false when none is idle.
    pub(crate) fn evict_idle(&self) -> bool {
        let chosen = {
            let mut live = self.live.lock();
            let chosen = live.longest_idle();
            // Under the lock, so that nobody else asks the same one.
            chosen.inspect(|instance| instance.state().asked.store(true, Ordering::Relaxed))
        };
        if let Some(instance) = &chosen {
            instance.nudge();
        }
        chosen.is_some()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(instance) = self.number.and_then(|number| self.slots.live.lock().all.remove(&number)) {
            instance.state().busy();
        }
        let mut owed = self.slots.owed.lock();
        if let Some(left) = owed.checked_sub(1)
            && let Some(permit) = self.permit.take()
        {
            *owed = left;
            permit.forget();
        }
        // Otherwise the slot is free. That comes under the lock, so that none is owed while one is free.
        drop(self.permit.take());
    }
}

/// The length of a queue, and whether a start in it found no idle instance since it was last empty. As long as there is a queue, an
/// instance that becomes idle ends by itself: so another look at all instances would find none either.
#[derive(Default)]
struct Queue(AtomicUsize);

impl Queue {
    /// The bit for the second fact.
    const WITHOUT_IDLE: usize = 1 << (usize::BITS - 1);

    fn join(&self) -> Queued<'_> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Queued(self)
    }

    fn length(&self) -> usize {
        self.0.load(Ordering::SeqCst) & !Self::WITHOUT_IDLE
    }

    fn is_without_idle(&self) -> bool {
        self.0.load(Ordering::SeqCst) & Self::WITHOUT_IDLE != 0
    }

    /// Notes that a start in the queue found no idle instance. True for the first one.
    fn found_none_idle(&self) -> bool {
        self.0.fetch_or(Self::WITHOUT_IDLE, Ordering::SeqCst) & Self::WITHOUT_IDLE == 0
    }
}

/// A place in the queue.
struct Queued<'a>(&'a Queue);

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        let left = |queue: usize| if queue & !Queue::WITHOUT_IDLE == 1 { 0 } else { queue - 1 };
        self.0.0.update(Ordering::SeqCst, Ordering::SeqCst, left);
    }
}

/// The slots of a whole play.
pub(crate) struct PlaySlots {
    pub(crate) all: Arc<Slots>,
    /// The slots that spawned actors may take. The others are kept for the actors of the plan, also while those are
    /// passivated.
    pub(crate) spawned: Arc<Slots>,
    /// The slots of each [`Reserve`].
    reserves: Vec<(Address, Arc<Slots>)>,
}

impl PlaySlots {
    /// `left`: the slots that spawned actors may take, see [`MaxInstances::left_to_spawned`].
    pub(crate) fn new(bound: &MaxInstances, left: usize, reserves: &[Reserve]) -> Self {
        let MaxInstances { most, key } = bound;
        let rule = format!("all that {key}, which is {most}, leaves to spawned actors beside those of the manifest");
        Self {
            all: Arc::new(Slots::new(*most, format!("all that {key} admits"))),
            spawned: Arc::new(Slots::new(left, rule)),
            reserves: reserves.iter().map(Reserve::slots).collect(),
        }
    }

    /// The slots for a spawned actor at `address`.
    pub(crate) fn for_spawned(&self, address: &Address) -> &Arc<Slots> {
        let reserve = || {
            let above = address.parent()?.parent()?;
            self.reserves.iter().find(|(of, _)| *of == above).map(|(_, slots)| slots)
        };
        let reserve = if self.reserves.is_empty() { None } else { reserve() };
        reserve.unwrap_or(&self.spawned)
    }
}

impl Reserve {
    fn slots(&self) -> (Address, Arc<Slots>) {
        let rule = format!("all that are kept for the connections of {}", self.of);
        (self.of.clone(), Arc::new(Slots::new(self.instances, rule)))
    }
}
