//! Whether the play has work that is not a message: one-shot timers, spawned children before their first start, failures that
//! are being handled. The play is idle when no such work is left, and no message waits or is in process.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::words::message::ActorId;

/// Counts of the work that keeps the play from being idle.
#[derive(Default)]
pub(crate) struct Activity {
    /// How much such work began, and how much of it ended: two counters that only grow, so that a look at both is sound.
    begun: AtomicU64,
    ended: AtomicU64,
    /// Actors that failed and have no trial start. The play does not wait for their messages.
    pub(crate) failed_for_good: Mutex<HashSet<ActorId>>,
    /// Notified whenever an actor may have become idle.
    pub(crate) hint: Notify,
}

impl Activity {
    /// Begins work that will cause messages by itself. Call this before the message that caused the work is finished.
    pub(crate) fn begin(&self) {
        self.begun.fetch_add(1, Ordering::Release);
    }

    /// Ends such work. Call this after everything that the work caused was accepted.
    pub(crate) fn end(&self, count: u64) {
        self.ended.fetch_add(count, Ordering::Release);
        self.changed();
    }

    /// As [`Activity::begin`]; the work ends when the result is dropped.
    pub(crate) fn guard(self: &Arc<Self>) -> ActivityGuard {
        self.begin();
        ActivityGuard(self.clone())
    }

    /// Wakes those that wait for the play to be idle: an actor may have become idle.
    pub(crate) fn changed(&self) {
        self.hint.notify_waiters();
    }

    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Acquire)
    }

    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Acquire)
    }
}

/// Keeps the play from being idle while it exists.
pub(crate) struct ActivityGuard(Arc<Activity>);

impl Clone for ActivityGuard {
    fn clone(&self) -> Self {
        self.0.guard()
    }
}

impl fmt::Debug for ActivityGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ActivityGuard")
    }
}

impl Drop for ActivityGuard {
    fn drop(&mut self) {
        self.0.end(1);
    }
}
