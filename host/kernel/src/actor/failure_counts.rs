//! Counts of an actor's failures. An actor that never fails has none.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::words::crash::CrashReason;
use crate::words::totals::ActorTotals;

/// Made at the first failure.
#[derive(Default)]
pub(crate) struct FailureCounts(OnceLock<Box<Counts>>);

#[derive(Default)]
struct Counts {
    crashes: [AtomicU64; CrashReason::KINDS.len()],
    restarts: AtomicU64,
    retries: AtomicU64,
}

impl FailureCounts {
    pub(crate) fn crashed(&self, reason: &CrashReason) {
        self.0.get_or_init(Box::default).crashes[reason.kind_index()].fetch_add(1, Relaxed);
    }

    pub(crate) fn restarted(&self) {
        self.0.get_or_init(Box::default).restarts.fetch_add(1, Relaxed);
    }

    /// Counts a message that failed, or crashed the actor, and is handled again.
    pub(crate) fn retries(&self) {
        self.0.get_or_init(Box::default).retries.fetch_add(1, Relaxed);
    }

    pub(crate) fn add_to(&self, totals: &mut ActorTotals) {
        let Some(counts) = self.0.get() else { return };
        for (total, count) in totals.crashes.iter_mut().zip(&counts.crashes) {
            *total += count.load(Relaxed);
        }
        totals.retries += counts.retries.load(Relaxed);
        totals.restarts += counts.restarts.load(Relaxed);
    }
}
