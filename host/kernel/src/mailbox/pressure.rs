//! Counters of a mailbox's messages that found no space or became dead letters, and one warning for each episode. A message
//! that finds space and is handled does not touch them.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::words::dead_letter::DeadReason;
use crate::words::totals::ActorTotals;

/// A mailbox that was not full for this time begins a new episode when it is full again. Without this, one that fills and
/// drains all the time, as a healthy pipeline's does, would warn all the time.
const QUIET: Duration = Duration::from_secs(10);

/// Made at the first use: most mailboxes are never full.
#[derive(Default)]
pub(super) struct Pressure(OnceLock<Box<Counters>>);

#[derive(Default)]
struct Counters {
    /// When it was last seen full.
    last_full: Mutex<Option<Instant>>,
    episodes: AtomicU64,
    refused: AtomicU64,
    dropped: AtomicU64,
    abandoned: AtomicU64,
    /// Number of dead letters, by their index in [`DeadReason::KINDS`].
    letters: [AtomicU64; DeadReason::KINDS.len()],
    /// Messages that were accepted and ended unhandled.
    unhandled: AtomicU64,
    removed: AtomicU64,
    blocked: AtomicU64,
    blocked_us: AtomicU64,
    longest_us: AtomicU64,
    /// Whether a take made space and did not wake the sender that waits. It is here, since few mailboxes ever let a sender wait.
    holds_sender: AtomicBool,
}

/// Counts of the messages so far that found no space in a mailbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PressureView {
    /// How often it became full after at least ten seconds in which it was not. Each is a warning in the log.
    pub episodes: u64,
    /// Messages that were refused, or whose sender waited for space without success.
    pub refused: u64,
    /// Messages that an overflow rule dropped.
    pub dropped: u64,
    /// Messages that a mailbox's policy dropped although there was space.
    pub abandoned: u64,
    /// Messages that operators dropped while they waited.
    pub removed: u64,
    /// Senders that wait for space now.
    pub blocked_now: usize,
    /// How often a sender waited for space.
    pub blocked: u64,
    /// The total time that senders waited, without those that wait now.
    pub blocked_for: Duration,
    /// The longest time that one of them waited.
    pub longest_block: Duration,
}

impl Pressure {
    /// Whether a message ever found no space, or became a dead letter.
    pub(super) fn is_used(&self) -> bool {
        self.0.get().is_some()
    }

    fn counters(&self) -> &Counters {
        self.0.get_or_init(Box::default)
    }

    /// Records that the mailbox is full. True when this begins an episode.
    pub(super) fn is_full(&self) -> bool {
        let now = Instant::now();
        let before = self.counters().last_full.lock().replace(now);
        let begins = before.is_none_or(|before| now.duration_since(before) >= QUIET);
        self.counters().episodes.fetch_add(u64::from(begins), Relaxed);
        begins
    }

    /// Counts a message that found no space and became a dead letter, or was refused to its sender.
    pub(super) fn count(&self, reason: &DeadReason) {
        let counter = match reason {
            DeadReason::MailboxFull => &self.counters().refused,
            DeadReason::Overflow => &self.counters().dropped,
            DeadReason::Abandoned => &self.counters().abandoned,
            _ => return,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// Number of dead letters so far, by reason.
    pub(super) fn letters(&self) -> BTreeMap<&'static str, u64> {
        let counts = self.0.get().into_iter().flat_map(|counters| DeadReason::KINDS.into_iter().zip(&counters.letters));
        counts.map(|(kind, count)| (kind, count.load(Relaxed))).filter(|(_, count)| *count > 0).collect()
    }

    /// Counts a message that became a dead letter.
    pub(super) fn count_letter(&self, reason: &DeadReason) {
        self.count(reason);
        if let Some(place) = DeadReason::KINDS.iter().position(|kind| *kind == reason.kind()) {
            self.counters().letters[place].fetch_add(1, Relaxed);
        }
    }

    /// Counts messages that were accepted and ended unhandled.
    pub(super) fn count_unhandled(&self, messages: u64) {
        if messages > 0 {
            self.counters().unhandled.fetch_add(messages, Relaxed);
        }
    }

    /// Counts messages that an operator dropped.
    pub(super) fn count_removed(&self, messages: u64) {
        self.counters().removed.fetch_add(messages, Relaxed);
    }

    /// Messages that were accepted and ended unhandled.
    pub(super) fn unhandled(&self) -> u64 {
        self.0.get().map_or(0, |counters| counters.unhandled.load(Relaxed))
    }

    /// Whether a sender waits although a take made space. It takes no lock, since each poll of an actor looks at its end.
    #[inline]
    pub(super) fn holds_sender(&self) -> bool {
        self.0.get().is_some_and(|counters| counters.holds_sender.load(Relaxed))
    }

    /// As [`Pressure::holds_sender`]. To be called under the lock of the mailbox, when a sender has waited.
    pub(super) fn set_holds_sender(&self, holds: bool) {
        self.counters().holds_sender.store(holds, Relaxed);
    }

    pub(super) fn begins_to_wait(&self) {
        self.counters().blocked.fetch_add(1, Relaxed);
    }

    /// Records the time of a sender that waited for space until `now`.
    pub(super) fn waited(&self, time: Duration, now: Instant) {
        *self.counters().last_full.lock() = Some(now);
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.counters().blocked_us.fetch_add(us, Relaxed);
        self.counters().longest_us.fetch_max(us, Relaxed);
    }

    pub(super) fn add_to(&self, totals: &mut ActorTotals) {
        let Some(counters) = self.0.get() else { return };
        for (total, count) in totals.letters.iter_mut().zip(&counters.letters) {
            *total += count.load(Relaxed);
        }
        totals.refused += counters.refused.load(Relaxed);
        totals.blocked += counters.blocked.load(Relaxed);
        totals.blocked_for += Duration::from_micros(counters.blocked_us.load(Relaxed));
    }

    pub(super) fn view(&self, blocked_now: usize) -> PressureView {
        let Some(counters) = self.0.get() else { return PressureView { blocked_now, ..PressureView::default() } };
        PressureView {
            episodes: counters.episodes.load(Relaxed),
            refused: counters.refused.load(Relaxed),
            dropped: counters.dropped.load(Relaxed),
            abandoned: counters.abandoned.load(Relaxed),
            removed: counters.removed.load(Relaxed),
            blocked_now,
            blocked: counters.blocked.load(Relaxed),
            blocked_for: Duration::from_micros(counters.blocked_us.load(Relaxed)),
            longest_block: Duration::from_micros(counters.longest_us.load(Relaxed)),
        }
    }
}
