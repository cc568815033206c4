//! Time in which an actor's code waits for the host itself, such as for a slow reader of the host's stdout. That time is
//! not billed to the limits of the actor, nor to those of the actors that wait for it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::ops::Deref;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::actor::instance::Instance;
use crate::actor::{Actor, Shared};
use crate::words::message::ActorId;

/// Marks times in which an incarnation's code waits for the host. Made by [`crate::Turn::host_wait`].
#[derive(Clone)]
pub struct HostWait {
    pub(crate) instance: Arc<Instance>,
    /// The part of the host that the code waits for, as shown to operators.
    pub(crate) what: &'static str,
}

impl HostWait {
    /// Polls a future that resolves when the host is ready again. The time while it is pending is the host's.
    pub async fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let mut marked = None;
        poll_fn(|cx| {
            let polled = future.as_mut().poll(cx);
            if polled.is_pending() {
                marked.get_or_insert_with(|| Marked::begin(&self.instance.host_waits, self.what));
            }
            polled
        })
        .await
    }
}

/// A wait for the host that has begun and not ended.
struct Marked<'a>(&'a HostWaits);

impl<'a> Marked<'a> {
    fn begin(waits: &'a HostWaits, what: &'static str) -> Self {
        let mut time = waits.record().time.lock();
        if time.count == 0 {
            time.since = Some((Instant::now(), what));
        }
        time.count += 1;
        Self(waits)
    }
}

impl Drop for Marked<'_> {
    fn drop(&mut self) {
        let mut time = self.0.record().time.lock();
        time.count -= 1;
        if time.count == 0
            && let Some((since, _)) = time.since.take()
        {
            time.total += since.elapsed();
        }
    }
}

/// The waits of one instance. Most instances never wait, so the record is made at the first wait.
#[derive(Default)]
pub(crate) struct HostWaits(OnceLock<Box<Record>>);

#[derive(Default)]
struct Record {
    time: Mutex<Time>,
    /// The actor in whose mailbox the instance waits for space; 0 for none.
    blocked_on: AtomicU64,
}

#[derive(Default)]
struct Time {
    /// Number of waits that have begun and not ended.
    count: u32,
    /// When the first of them began, and the part of the host.
    since: Option<(Instant, &'static str)>,
    /// Total time of the waits before.
    total: Duration,
}

impl HostWaits {
    fn record(&self) -> &Record {
        self.0.get_or_init(Box::default)
    }

    /// The part of the host that the code waits for now.
    pub(crate) fn waiting_for(&self) -> Option<&'static str> {
        self.0.get()?.time.lock().since.map(|(_, what)| what)
    }

    fn is_waiting(&self) -> bool {
        self.waiting_for().is_some()
    }

    /// The total time that was the host's, including a current wait.
    pub(crate) fn total(&self) -> Duration {
        let Some(record) = self.0.get() else { return Duration::ZERO };
        let time = record.time.lock();
        time.total + time.since.map(|(since, _)| since.elapsed()).unwrap_or_default()
    }

    /// Adds time that was the host's.
    fn add(&self, more: Duration) {
        self.record().time.lock().total += more;
    }

    /// Records that the instance waits for space in the target's mailbox, while the result lives.
    pub(crate) fn blocked_on<'a>(&'a self, target: &'a Actor) -> Blocked<'a> {
        self.record().blocked_on.store(target.id.0, Relaxed);
        Blocked { waits: self, target, seen: target.host_waited() }
    }

    fn blocker(&self) -> Option<ActorId> {
        let id = self.0.get()?.blocked_on.load(Relaxed);
        (id != 0).then_some(ActorId(id))
    }
}

/// A wait for space. The target's waits for the host in that time count as waits of the instance.
pub(crate) struct Blocked<'a> {
    waits: &'a HostWaits,
    target: &'a Actor,
    seen: Duration,
}

impl Drop for Blocked<'_> {
    fn drop(&mut self) {
        self.waits.record().blocked_on.store(0, Relaxed);
        let more = self.target.host_waited().saturating_sub(self.seen);
        if !more.is_zero() {
            self.waits.add(more);
        }
    }
}

/// Polls a future of `instance` that depends on `target`. Time in which the target waits for the host is the host's for the
/// instance, too.
pub(crate) async fn passed_on<T>(instance: &Instance, target: &Actor, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut seen = target.host_waited();
    poll_fn(|cx| {
        let polled = future.as_mut().poll(cx);
        let now = target.host_waited();
        if now > seen {
            instance.host_waits.add(now.saturating_sub(seen));
            seen = now;
        }
        polled
    })
    .await
}

impl Actor {
    /// The host's time, summed over all instances.
    pub(crate) fn host_waited(&self) -> Duration {
        self.instances.iter().map(|instance| instance.host_waits.total()).sum()
    }
}

/// Most actors to look at in a search for a wait for the host: chains are short.
const MOST_ACTORS: usize = 64;

impl Shared {
    /// Whether an instance of this actor waits for the host, or has waited since the total was `seen`. Called only when a
    /// time limit has passed.
    pub(crate) fn waited_for_host(&self, actor: &Actor, seen: &mut Duration) -> bool {
        let before = std::mem::replace(seen, actor.host_waited());
        *seen > before || self.reach_host(actor.instances.iter().map(Deref::deref), actor.id)
    }

    /// Whether an instance waits for the host: by itself, for an answer of an actor that does, or for space in such an
    /// actor's mailbox. Called only when a time limit has passed.
    pub(crate) fn instance_waits_for_host(&self, actor: &Actor, instance: &Instance) -> bool {
        self.reach_host(std::iter::once(instance), actor.id)
    }

    fn reach_host<'a>(&self, instances: impl Iterator<Item = &'a Instance>, of: ActorId) -> bool {
        let mut next = VecDeque::new();
        for instance in instances {
            if instance.host_waits.is_waiting() {
                return true;
            }
            next.extend(self.waited_for(of, instance));
        }
        let mut seen = Vec::new();
        while let Some(id) = next.pop_front() {
            if seen.contains(&id) || seen.len() == MOST_ACTORS {
                continue;
            }
            seen.push(id);
            let Some(actor) = self.registry.by_id(id) else { continue };
            for instance in &actor.instances {
                if instance.host_waits.is_waiting() {
                    return true;
                }
                next.extend(self.waited_for(id, instance));
            }
        }
        false
    }

    /// The actors that an instance waits for.
    fn waited_for(&self, id: ActorId, instance: &Instance) -> impl Iterator<Item = ActorId> + use<> {
        self.asks.asked_by(id, instance.index).into_iter().chain(instance.host_waits.blocker())
    }
}
