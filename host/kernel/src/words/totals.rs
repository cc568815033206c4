//! The numbers of an actor, or of several actors together, that only grow: plain data, made when somebody reads it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::words::crash::CrashReason;
use crate::words::dead_letter::DeadReason;
use crate::words::observed::OwnMetric;

/// The upper bounds of the classes of turn sizes, in messages. One more class has all larger turns.
pub const TURN_SIZE_BOUNDS: [u64; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/// The upper bounds of the classes of durations. One more class has all longer durations.
pub const DURATION_BOUNDS: [Duration; 12] = [
    Duration::from_micros(10),
    Duration::from_micros(100),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(25),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_mins(2),
];

/// The class of a duration: an index into [`DURATION_BOUNDS`], or its length.
pub(crate) fn duration_class(took: Duration) -> usize {
    DURATION_BOUNDS.partition_point(|bound| *bound < took)
}

/// Whether the event with this number, from 1, is measured when one in `one_in`, a power of two, is. The first, second, fourth and
/// so on are measured too, so that few events have a measured one.
#[inline]
pub(crate) fn is_sample(number: u64, one_in: u64) -> bool {
    number & (one_in - 1) == 0 || number < one_in && number.is_power_of_two()
}

/// Durations by class.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Durations {
    /// The number of durations in each class of [`DURATION_BOUNDS`], and of longer ones.
    pub counts: [u64; DURATION_BOUNDS.len() + 1],
    /// All of them together.
    pub sum: Duration,
}

impl Durations {
    pub(crate) fn add(&mut self, other: &Self) {
        add_each(&mut self.counts, &other.counts);
        self.sum = self.sum.saturating_add(other.sum);
    }
}

/// The numbers that only grow. Those of removed actors stay in the sum of their group. Each of its many fields is a count of its
/// own, and all of them are added.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ActorTotals {
    /// Messages that were handled.
    pub handled: u64,
    /// Dead letters among the messages for it, by the index of their reason in [`DeadReason::KINDS`].
    pub letters: [u64; DeadReason::KINDS.len()],
    /// Crashes, by the index of their reason in [`CrashReason::KINDS`].
    pub crashes: [u64; CrashReason::KINDS.len()],
    /// Restarts after a failure.
    pub restarts: u64,
    /// Messages that failed, or crashed the actor, and are handled again.
    pub retries: u64,
    /// Messages that found no space: refused to their sender, or dead letters with the reason `mailbox-full`.
    pub refused: u64,
    /// CPU time of its code.
    pub cpu: Duration,
    /// Runs of its code that began.
    pub incarnations: u64,
    /// How often a sender waited for space in its mailbox.
    pub blocked: u64,
    /// The time that these senders waited.
    pub blocked_for: Duration,
    /// Turns by their size, by class of [`TURN_SIZE_BOUNDS`], and larger ones.
    pub turns: [u64; TURN_SIZE_BOUNDS.len() + 1],
    /// The durations of these turns. A turn that waits counts from its first wait. Of the turns that return at once, a sample is
    /// measured, and each measured one stands for all until the next.
    pub turn_durations: Durations,
    /// The metrics that the actors' code counted or observed itself, by name.
    pub own: BTreeMap<Arc<str>, OwnMetric>,
}

impl ActorTotals {
    /// Adds the counts of other actors.
    pub fn add(&mut self, other: &Self) {
        self.handled += other.handled;
        add_each(&mut self.letters, &other.letters);
        add_each(&mut self.crashes, &other.crashes);
        self.restarts += other.restarts;
        self.retries += other.retries;
        self.refused += other.refused;
        self.cpu += other.cpu;
        self.incarnations += other.incarnations;
        self.blocked += other.blocked;
        self.blocked_for = self.blocked_for.saturating_add(other.blocked_for);
        add_each(&mut self.turns, &other.turns);
        self.turn_durations.add(&other.turn_durations);
        for (name, metric) in &other.own {
            self.own.entry(name.clone()).or_default().add(metric);
        }
    }
}

pub(crate) fn add_each<const N: usize>(counts: &mut [u64; N], others: &[u64; N]) {
    for (count, other) in counts.iter_mut().zip(others) {
        *count += other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_events_are_measured_more_often() {
        let samples: Vec<u64> = (1..=200).filter(|number| is_sample(*number, 64)).collect();
        assert_eq!(samples, [1, 2, 4, 8, 16, 32, 64, 128, 192]);
    }

    #[test]
    fn duration_belongs_to_the_first_bound_not_below_it() {
        assert_eq!(duration_class(Duration::ZERO), 0);
        assert_eq!(duration_class(Duration::from_micros(10)), 0);
        assert_eq!(duration_class(Duration::from_micros(11)), 1);
        assert_eq!(duration_class(Duration::from_hours(1)), DURATION_BOUNDS.len());
    }
}
