//! Counters of a mailbox's messages that found no room or became dead letters, and one warning for each episode. All of it
//! is off the path of a message that finds room and is handled.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Mailbox, Overflow};
use crate::dead_letter::DeadReason;
use crate::policy::PolicyView;

/// A mailbox that was not full for so long begins a new episode when it is full again. Without this, one that fills and
/// drains all the time, as a healthy pipeline's does, would warn all the time.
const QUIET: Duration = Duration::from_secs(10);

/// Made when it is first needed: most mailboxes are never full.
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
    /// Dead letters, by their place in [`DeadReason::KINDS`].
    letters: [AtomicU64; DeadReason::KINDS.len()],
    /// Messages that had been let in and ended without being handled.
    unhandled: AtomicU64,
    blocked: AtomicU64,
    blocked_us: AtomicU64,
    longest_us: AtomicU64,
}

/// What became of messages that found no room in a mailbox, so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PressureView {
    /// How often it became full, after it had not been for ten seconds. Each is a warning in the log.
    pub episodes: u64,
    /// Messages that were refused, or that waited for room in vain.
    pub refused: u64,
    /// Messages that an overflow rule dropped.
    pub dropped: u64,
    /// Messages that a mailbox's policy dropped though there was room.
    pub abandoned: u64,
    /// Senders that wait for room now.
    pub blocked_now: usize,
    /// How often a sender had to wait for room.
    pub blocked: u64,
    /// How long senders waited, all together, those that wait now not included.
    pub blocked_for: Duration,
    /// How long one of them waited at most.
    pub longest_block: Duration,
}

/// What people see of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxView {
    /// Messages that wait in it; those that came back to an instance are not here any more.
    pub waiting: usize,
    /// Their bytes, headers included.
    pub bytes: usize,
    /// Most messages that ever waited at the end of a delivery.
    pub most: usize,
    /// Most messages that may wait.
    pub capacity: usize,
    /// What happens, now, to a message that finds it full.
    pub overflow: Overflow,
    /// What became of messages that found no room.
    pub pressure: PressureView,
    /// Dead letters among the messages for it, by [`DeadReason::kind`].
    pub letters: BTreeMap<&'static str, u64>,
    /// Its policy, if it has one.
    pub policy: Option<PolicyView>,
}

impl Mailbox {
    /// Counts a message that found no room, for whatever reason it went.
    pub(crate) fn count_loss(&self, reason: &DeadReason) {
        self.pressure.count(reason);
    }

    /// Counts a message that became a dead letter.
    pub(crate) fn count_letter(&self, reason: &DeadReason) {
        self.pressure.count(reason);
        if let Some(place) = DeadReason::KINDS.iter().position(|kind| *kind == reason.kind()) {
            self.pressure.counters().letters[place].fetch_add(1, Relaxed);
        }
    }

    /// Counts messages that had been let in and ended without being handled.
    pub(crate) fn count_unhandled(&self, messages: u64) {
        if messages > 0 {
            self.pressure.counters().unhandled.fetch_add(messages, Relaxed);
        }
    }

    /// Messages that had been let in and ended without being handled.
    pub(crate) fn unhandled(&self) -> u64 {
        self.pressure.0.get().map_or(0, |counters| counters.unhandled.load(Relaxed))
    }
}

impl Pressure {
    fn counters(&self) -> &Counters {
        self.0.get_or_init(Box::default)
    }

    /// It is full. True when this begins an episode.
    pub(super) fn is_full(&self) -> bool {
        let now = Instant::now();
        let before = self.counters().last_full.lock().replace(now);
        let begins = before.is_none_or(|before| now.duration_since(before) >= QUIET);
        self.counters().episodes.fetch_add(u64::from(begins), Relaxed);
        begins
    }

    /// A message that found no room became a dead letter, or was refused to who sent it.
    pub(super) fn count(&self, reason: &DeadReason) {
        let counter = match reason {
            DeadReason::MailboxFull => &self.counters().refused,
            DeadReason::Overflow => &self.counters().dropped,
            DeadReason::Abandoned => &self.counters().abandoned,
            _ => return,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// Dead letters so far, by reason.
    pub(super) fn letters(&self) -> BTreeMap<&'static str, u64> {
        let counts = self.0.get().into_iter().flat_map(|counters| DeadReason::KINDS.into_iter().zip(&counters.letters));
        counts.map(|(kind, count)| (kind, count.load(Relaxed))).filter(|(_, count)| *count > 0).collect()
    }

    pub(super) fn begins_to_wait(&self) {
        self.counters().blocked.fetch_add(1, Relaxed);
    }

    /// A sender waited for room, and does not any more.
    pub(super) fn waited(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.counters().blocked_us.fetch_add(us, Relaxed);
        self.counters().longest_us.fetch_max(us, Relaxed);
    }

    pub(super) fn view(&self, blocked_now: usize) -> PressureView {
        let Some(counters) = self.0.get() else { return PressureView { blocked_now, ..PressureView::default() } };
        PressureView {
            episodes: counters.episodes.load(Relaxed),
            refused: counters.refused.load(Relaxed),
            dropped: counters.dropped.load(Relaxed),
            abandoned: counters.abandoned.load(Relaxed),
            blocked_now,
            blocked: counters.blocked.load(Relaxed),
            blocked_for: Duration::from_micros(counters.blocked_us.load(Relaxed)),
            longest_block: Duration::from_micros(counters.longest_us.load(Relaxed)),
        }
    }
}
