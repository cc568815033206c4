//! The record of one instance's waits outside of its code: for the host, and for space, a slot or the disk.

use std::sync::OnceLock;
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

/// A wait of an instance outside of its code. These waits are billed to nobody, or bounded elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// Space in the mailbox of this actor.
    Space(ActorId),
    /// A slot for a start.
    Slot,
    /// An entry of its own that is on its way to the disk, or space for one.
    Disk,
}

/// The waits of one instance. Most instances never wait, so the record is made at the first wait.
#[derive(Default)]
pub(crate) struct HostWaits(OnceLock<Box<Record>>);

#[derive(Default)]
struct Record {
    time: Mutex<Time>,
    /// The current wait outside of its code, and since when.
    obstacle: Mutex<Option<(Obstacle, Instant)>>,
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
        self.host_part().map(|(_, what)| what)
    }

    /// The part of the host that the code waits for now, and since when.
    pub(crate) fn host_part(&self) -> Option<(Instant, &'static str)> {
        self.0.get()?.time.lock().since
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

    /// Records that the instance waits for an obstacle since then, or (`None`) that it no longer does.
    pub(crate) fn set_obstacle(&self, obstacle: Option<(Obstacle, Instant)>) {
        *self.record().obstacle.lock() = obstacle;
    }

    /// The obstacle for which the instance waits, and since when.
    pub(crate) fn obstacle(&self) -> Option<(Obstacle, Instant)> {
        *self.0.get()?.obstacle.lock()
    }

    /// The actor in whose mailbox the instance waits for space.
    pub(crate) fn blocker(&self) -> Option<ActorId> {
        match self.obstacle()? {
            (Obstacle::Space(actor), _) => Some(actor),
            (Obstacle::Slot | Obstacle::Disk, _) => None,
        }
    }
}
