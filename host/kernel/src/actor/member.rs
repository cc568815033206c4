//! A member of a family, beyond what every actor is: it is in memory only while it has something there, or while somebody uses it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crate::actor::family::Family;
use crate::words::message::ActorId;

/// The part of an actor that is a member of a family.
pub(crate) struct Member {
    pub(crate) family: Arc<Family>,
    /// Number of senders that are about to send to it.
    pins: AtomicUsize,
    /// Whether it stays in memory only because of them.
    is_kept_by_pins: AtomicBool,
    /// Whether it counts as one that exists.
    counts: AtomicBool,
    /// Since when the store has it as idle, or in use, in seconds since 1970; 0 when it does not say that.
    idle_since: AtomicU64,
}

impl Member {
    /// `counts`: whether the family has counted it.
    pub(crate) fn new(family: Arc<Family>, counts: bool) -> Self {
        Self {
            family,
            pins: AtomicUsize::new(0),
            is_kept_by_pins: AtomicBool::new(false),
            counts: AtomicBool::new(counts),
            idle_since: AtomicU64::new(0),
        }
    }

    /// Whether a sender is about to send to it. If so, the supervision is told when that is over.
    pub(crate) fn is_pinned(&self) -> bool {
        // The order matters: the last sender looks after it has left, so that one of the two sees the other.
        self.is_kept_by_pins.store(true, Ordering::SeqCst);
        let is_pinned = self.pins.load(Ordering::SeqCst) > 0;
        if !is_pinned {
            self.is_kept_by_pins.store(false, Ordering::SeqCst);
        }
        is_pinned
    }

    /// Since when the store has it as idle, or in use, in seconds since 1970.
    pub(crate) fn idle_since(&self) -> Option<u64> {
        Some(self.idle_since.load(Ordering::Acquire)).filter(|since| *since > 0)
    }

    /// Keeps the time that the store has.
    pub(crate) fn set_idle_since(&self, since: u64) {
        self.idle_since.store(since, Ordering::Release);
    }

    /// Lets the store count it from now on: it exists there.
    pub(crate) fn is_in_store(&self) {
        self.counts.store(false, Ordering::Release);
    }

    /// A sender is about to send to it.
    pub(super) fn pin(&self) {
        self.pins.fetch_add(1, Ordering::SeqCst);
    }

    /// A sender has sent to it, or does not send. `id`: its own.
    pub(super) fn unpin(&self, id: ActorId) {
        let was_last = self.pins.fetch_sub(1, Ordering::SeqCst) == 1;
        if was_last && self.is_kept_by_pins.swap(false, Ordering::SeqCst) {
            self.family.is_unused(id);
        }
    }

    /// Uncounts it: it keeps nothing any more.
    pub(crate) fn count_out(&self) {
        if self.counts.swap(false, Ordering::AcqRel) {
            self.family.count_out();
        }
    }
}

impl Drop for Member {
    /// Uncounts one that was not added.
    fn drop(&mut self) {
        self.count_out();
    }
}
