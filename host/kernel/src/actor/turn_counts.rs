//! Counts of an instance's turns: their sizes, and a sample of their durations. The incarnation alone writes them, so that a
//! count is a load and a store; readers see each count for itself.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::actor::sampled_durations::SampledDurations;
use crate::words::totals::{ActorTotals, TURN_SIZE_BOUNDS, add_each, is_sample};

/// Of the turns of one size that return at once, one in this number is measured, a power of two: reading the clock twice costs
/// as much as a short handler.
const SAMPLE: u64 = 64;

/// The counts of one instance.
#[derive(Default)]
pub(crate) struct TurnCounts {
    /// Turns that ended, by class of [`TURN_SIZE_BOUNDS`].
    sizes: [AtomicU64; TURN_SIZE_BOUNDS.len() + 1],
    durations: SampledDurations,
}

/// A turn under way, which is counted at its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TurnCount {
    /// Its class of size.
    class: usize,
    /// The number of turns of this size, with this one.
    number: u64,
}

impl TurnCount {
    /// Whether to measure the turn.
    #[inline]
    pub(crate) fn is_sampled(self) -> bool {
        is_sample(self.number, SAMPLE)
    }
}

impl TurnCounts {
    /// A turn of this many messages, at least one, begins.
    #[inline]
    pub(crate) fn begin(&self, messages: usize) -> TurnCount {
        let class = (usize::BITS - (messages - 1).leading_zeros()) as usize;
        let class = class.min(TURN_SIZE_BOUNDS.len());
        TurnCount { class, number: self.sizes[class].load(Relaxed) + 1 }
    }

    /// Counts a turn that returned at once. `took` is its duration if it is a sample.
    #[inline]
    pub(crate) fn end(&self, turn: TurnCount, took: Option<Duration>) {
        self.sizes[turn.class].store(turn.number, Relaxed);
        if let Some(took) = took {
            self.durations.sampled(took, || self.turns());
        }
    }

    /// Counts a turn that waited. Each such turn is measured, since the clock is read for its time limit.
    pub(crate) fn end_of_wait(&self, turn: TurnCount, took: Duration) {
        self.durations.measured(took, || self.sizes[turn.class].store(turn.number, Relaxed));
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

    #[test]
    fn turn_of_each_size_has_its_class() {
        let counts = TurnCounts::default();
        for messages in [1, 2, 3, 4, 5, 256, 257, 100_000] {
            counts.end(counts.begin(messages), None);
        }
        let mut totals = ActorTotals::default();
        counts.add_to(&mut totals);
        assert_eq!(totals.turns, [1, 1, 2, 1, 0, 0, 0, 0, 1, 2]);
    }
}
