//! The record of one instance's waits for the host, and for space in the mailboxes of others.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::words::message::ActorId;

/// A wait for the host that has begun and not ended.
pub(crate) struct Marked<'a>(&'a HostWaits);

impl<'a> Marked<'a> {
    pub(crate) fn begin(waits: &'a HostWaits, what: &'static str) -> Self {
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

    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting_for().is_some()
    }

    /// The total time that was the host's, including a current wait.
    pub(crate) fn total(&self) -> Duration {
        let Some(record) = self.0.get() else { return Duration::ZERO };
        let time = record.time.lock();
        time.total + time.since.map(|(since, _)| since.elapsed()).unwrap_or_default()
    }

    /// Adds time that was the host's.
    pub(crate) fn add(&self, more: Duration) {
        self.record().time.lock().total += more;
    }

    /// Records that the instance waits for space in the mailbox of this actor, or (`None`) that it no longer does.
    pub(crate) fn set_blocker(&self, actor: Option<ActorId>) {
        self.record().blocked_on.store(actor.map_or(0, |actor| actor.0), Relaxed);
    }

    /// The actor in whose mailbox the instance waits for space.
    pub(crate) fn blocker(&self) -> Option<ActorId> {
        let id = self.0.get()?.blocked_on.load(Relaxed);
        (id != 0).then_some(ActorId(id))
    }
}
