//! The deadlines of open asks: one timer for all of them. A timer for each ask would cost as much as the rest of its record.

use std::sync::{Arc, Weak};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::dispatch::Shared;

/// A search for asks that are late is followed by a pause of so many times its duration: it never takes more than a twentieth of a thread.
const PAUSE: u32 = 20;
/// The shortest pause between two searches: timers have this resolution.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
/// No ask has a deadline.
const NONE: u64 = u64::MAX;

/// The time at which the next ask may be late. It may be too early, since asks that have their answer stay counted until the next search.
pub(crate) struct Deadlines {
    began: Instant,
    /// In microseconds since `began`.
    soonest: AtomicU64,
    is_over: AtomicBool,
    changed: Notify,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            soonest: AtomicU64::new(NONE),
            is_over: AtomicBool::new(false),
            changed: Notify::new(),
        }
    }
}

impl Deadlines {
    /// An ask has this deadline.
    #[inline]
    pub(crate) fn add(&self, deadline: Instant) {
        let nanos = deadline.saturating_duration_since(self.began).as_nanos();
        let micros = u64::try_from(nanos.div_ceil(1000)).unwrap_or(NONE - 1);
        if micros < self.soonest.load(Ordering::Relaxed) && micros < self.soonest.fetch_min(micros, Ordering::Relaxed) {
            self.changed.notify_one();
        }
    }

    /// No ask will be opened any more.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    fn soonest(&self) -> Option<Instant> {
        match self.soonest.load(Ordering::Relaxed) {
            NONE => None,
            micros => Some(self.began + Duration::from_micros(micros)),
        }
    }

    /// Begins a search: until it ends, only asks that are opened meanwhile are counted.
    pub(crate) fn forget(&self) {
        self.soonest.store(NONE, Ordering::Relaxed);
    }

    /// Waits until an ask may be late, but not before `earliest`. False: the play is over.
    async fn reached(&self, earliest: Instant) -> bool {
        loop {
            if self.is_over.load(Ordering::Acquire) {
                return false;
            }
            let Some(soonest) = self.soonest() else {
                self.changed.notified().await;
                continue;
            };
            tokio::select! {
                () = sleep_until(soonest.max(earliest)) => return true,
                () = self.changed.notified() => {}
            }
        }
    }
}

/// Answers asks whose time is over, as long as the play has them.
pub(crate) async fn answer_late(shared: Weak<Shared>, deadlines: Arc<Deadlines>) {
    let mut earliest = Instant::now();
    while deadlines.reached(earliest).await {
        let Some(shared) = shared.upgrade() else { return };
        let began = Instant::now();
        shared.routing.asks.answer_late(began);
        earliest = Instant::now() + (PAUSE * began.elapsed()).max(SHORTEST_PAUSE);
    }
}
