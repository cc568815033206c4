//! Counts of an instance's turns: their sizes, and a sample of their durations. The incarnation alone writes them, so that a
//! count is a load and a store; readers see each count for itself.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::actor::sampled_durations::SampledDurations;
use crate::words::message::MessageId;
use crate::words::totals::{ActorTotals, TURN_SIZE_BOUNDS, add_each};

/// Of the turns that return at once, one in this number is measured: reading the clock twice costs as much as a short handler. A
/// prime number, so that turns with a regular pattern are all met.
const SAMPLE: u32 = 61;

/// The counts of one instance.
pub(crate) struct TurnCounts {
    /// Turns that ended, by class of [`TURN_SIZE_BOUNDS`].
    sizes: [AtomicU64; TURN_SIZE_BOUNDS.len() + 1],
    durations: SampledDurations,
    /// Turns until the next sample.
    left: AtomicU32,
    /// The distance of the next sample from the one after it.
    gap: AtomicU32,
    /// A call that did not return at once, until it returns.
    pending: Mutex<Option<PendingCall>>,
}

/// A call of the code that did not return at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PendingCall {
    /// When it first had to wait, or let others run.
    pub(crate) since: Instant,
    /// The first message of the call; none in a hook.
    pub(crate) first: Option<MessageId>,
}

/// Shows a call as pending until it is dropped.
pub(crate) struct ShownCall<'a>(&'a TurnCounts);

impl Drop for ShownCall<'_> {
    fn drop(&mut self) {
        *self.0.pending.lock() = None;
    }
}

impl Default for TurnCounts {
    fn default() -> Self {
        let (sizes, durations) = (Default::default(), SampledDurations::default());
        Self { sizes, durations, left: AtomicU32::new(1), gap: AtomicU32::new(1), pending: Mutex::default() }
    }
}

impl TurnCounts {
    /// Whether to measure the next turn: the first, the second, the fourth and so on, later one in [`SAMPLE`].
    #[inline]
    pub(crate) fn is_sample(&self) -> bool {
        let left = self.left.load(Relaxed) - 1;
        self.left.store(left, Relaxed);
        left == 0 && self.select()
    }

    /// Shows operators a call that did not return at once, as long as the result lives.
    pub(crate) fn show(&self, call: PendingCall) -> ShownCall<'_> {
        *self.pending.lock() = Some(call);
        ShownCall(self)
    }

    #[cold]
    fn select(&self) -> bool {
        let gap = self.gap.load(Relaxed);
        self.left.store(gap, Relaxed);
        self.gap.store(SAMPLE.min(2 * gap), Relaxed);
        true
    }

    /// Counts a sample: a turn that returned at once.
    #[cold]
    pub(crate) fn sampled(&self, messages: usize, took: Duration) {
        self.durations.sampled(took, || {
            self.returned(messages);
            self.turns()
        });
    }

    /// Counts a turn with its own duration. Each turn that waits has one, since the clock is read for its time limit.
    #[cold]
    pub(crate) fn measured(&self, messages: usize, took: Duration) {
        self.durations.measured(took, || self.returned(messages));
    }

    /// Counts a turn of this many messages, at least one, that returned at once.
    #[inline]
    pub(crate) fn returned(&self, messages: usize) {
        let class = (usize::BITS - (messages - 1).leading_zeros()) as usize;
        let count = &self.sizes[class.min(TURN_SIZE_BOUNDS.len())];
        count.store(count.load(Relaxed) + 1, Relaxed);
    }

    /// The call that did not return at once.
    pub(crate) fn pending(&self) -> Option<PendingCall> {
        *self.pending.lock()
    }

    fn turns(&self) -> u64 {
        self.sizes.iter().map(|count| count.load(Relaxed)).sum()
    }

    pub(crate) fn add_to(&self, totals: &mut ActorTotals) {
        let durations = self.durations.read(|| {
            // The sizes and the durations of one actor have the same turns.
            let sizes = self.sizes.each_ref().map(|count| count.load(Relaxed));
            add_each(&mut totals.turns, &sizes);
            sizes.iter().sum()
        });
        totals.turn_durations.add(&durations);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn turn_of_each_size_has_its_class() {
        let counts = TurnCounts::default();
        for messages in [1, 2, 3, 4, 5, 256, 257, 100_000] {
            counts.returned(messages);
        }
        let mut totals = ActorTotals::default();
        counts.add_to(&mut totals);
        assert_eq!(totals.turns, [1, 1, 2, 1, 0, 0, 0, 0, 1, 2]);
    }

    #[test]
    fn duration_class_never_falls_for_a_reader() {
        let counts = TurnCounts::default();
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for turn in 0..30_000 {
                    counts.sampled(1, Duration::from_secs(turn % 2));
                    counts.returned(1);
                }
                ended.store(true, Relaxed);
            });
            let mut before = ActorTotals::default();
            while !ended.load(Relaxed) {
                let mut now = ActorTotals::default();
                counts.add_to(&mut now);
                let (old, new) = (&before.turn_durations.counts, &now.turn_durations.counts);
                assert!(old.iter().zip(new).all(|(old, new)| old <= new), "{old:?} {new:?}");
                before = now;
            }
        });
    }

    #[test]
    fn first_turns_are_measured_more_often() {
        let counts = TurnCounts::default();
        let samples: Vec<u32> = (1..=200).filter(|_| counts.is_sample()).collect();
        assert_eq!(samples, [1, 2, 4, 8, 16, 32, 64, 125, 186]);
    }
}
