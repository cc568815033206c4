//! Counts of an instance's turns: their sizes, and a sample of their durations. The incarnation alone writes them, so that a
//! count is a load and a store; readers see each count for itself.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::words::totals::{ActorTotals, DURATION_BOUNDS, TURN_SIZE_BOUNDS, duration_class, sample_weight};

/// Of the turns of one size that return at once, one in this number is measured, a power of two: reading the clock twice costs
/// as much as a short handler.
const SAMPLE: u64 = 64;

/// The counts of one instance.
#[derive(Default)]
pub(crate) struct TurnCounts {
    /// Turns, by class of [`TURN_SIZE_BOUNDS`].
    sizes: [AtomicU64; TURN_SIZE_BOUNDS.len() + 1],
    /// Measured turns, by class of [`DURATION_BOUNDS`].
    durations: [AtomicU64; DURATION_BOUNDS.len() + 1],
    /// The time of the measured turns.
    ns: AtomicU64,
}

/// The number of turns that a measured turn stands for; 0 for a turn that is not measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Weight(u64);

impl Weight {
    /// Whether to measure the turn.
    pub(crate) fn is_sampled(self) -> bool {
        self.0 > 0
    }
}

impl TurnCounts {
    /// Counts a turn of this many messages, at least one.
    #[inline]
    pub(crate) fn begin(&self, messages: usize) -> Weight {
        let class = (usize::BITS - (messages - 1).leading_zeros()) as usize;
        let count = &self.sizes[class.min(TURN_SIZE_BOUNDS.len())];
        let turns = count.load(Relaxed) + 1;
        count.store(turns, Relaxed);
        Weight(sample_weight(turns, SAMPLE))
    }

    /// Counts the duration of a turn that returned at once.
    pub(crate) fn sampled(&self, weight: Weight, took: Duration) {
        self.measured(took, weight.0);
    }

    /// Counts the duration of a turn that waited. Each such turn is measured, since the clock is read for its time limit.
    pub(crate) fn waited(&self, took: Duration) {
        self.measured(took, 1);
    }

    #[cold]
    fn measured(&self, took: Duration, weight: u64) {
        let count = &self.durations[duration_class(took)];
        count.store(count.load(Relaxed) + weight, Relaxed);
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).saturating_mul(weight);
        self.ns.store(self.ns.load(Relaxed).saturating_add(ns), Relaxed);
    }

    pub(crate) fn add_to(&self, totals: &mut ActorTotals) {
        add_each(&mut totals.turns, &self.sizes);
        add_each(&mut totals.turn_durations.counts, &self.durations);
        totals.turn_durations.sum += Duration::from_nanos(self.ns.load(Relaxed));
    }
}

fn add_each<const N: usize>(totals: &mut [u64; N], counts: &[AtomicU64; N]) {
    for (total, count) in totals.iter_mut().zip(counts) {
        *total += count.load(Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turn_of_each_size_has_its_class() {
        let counts = TurnCounts::default();
        for messages in [1, 2, 3, 4, 5, 256, 257, 100_000] {
            counts.begin(messages);
        }
        let mut totals = ActorTotals::default();
        counts.add_to(&mut totals);
        assert_eq!(totals.turns, [1, 1, 2, 1, 0, 0, 0, 0, 1, 2]);
    }
}
