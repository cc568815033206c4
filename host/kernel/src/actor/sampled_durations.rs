//! Durations of which a sample is measured. A sample stands for itself and for the later events that are not measured, until the
//! next sample. So the classes together have exactly the events that were counted, and no class ever falls.

use std::time::Duration;

use parking_lot::Mutex;

use crate::words::totals::{Durations, duration_class};

/// Durations of counted events. The counts themselves are kept by the caller, who counts each measured event under the lock of
/// this: a reader sees an event counted and measured, or neither.
#[derive(Default)]
pub(crate) struct SampledDurations(Mutex<Sampled>);

#[derive(Default)]
struct Sampled {
    /// The durations of settled events.
    settled: Durations,
    /// Number of settled events: never more than the total.
    events: u64,
    /// The duration of events that are not settled: the last sample or, before the first one, the first measured duration.
    last: Option<Duration>,
}

impl Sampled {
    fn add(durations: &mut Durations, took: Duration, events: u64) {
        durations.counts[duration_class(took)] += events;
        let factor = u32::try_from(events).unwrap_or(u32::MAX);
        durations.sum = durations.sum.saturating_add(took.saturating_mul(factor));
    }

    /// The events among `total` that are not settled.
    fn open(&self, total: u64) -> u64 {
        total.saturating_sub(self.events)
    }
}

impl SampledDurations {
    /// Counts an event with `count`, and settles it with its own duration.
    #[cold]
    pub(crate) fn measured(&self, took: Duration, count: impl FnOnce()) {
        let mut sampled = self.0.lock();
        count();
        sampled.last.get_or_insert(took);
        Sampled::add(&mut sampled.settled, took, 1);
        sampled.events += 1;
    }

    /// Runs `count`, which counts an event that has no duration and is not in the total: no reader sees the counts half changed.
    #[cold]
    pub(crate) fn without_duration(&self, count: impl FnOnce()) {
        let _sampled = self.0.lock();
        count();
    }

    /// Counts a sample with `count`, which returns the total with it. Settles all events before it by the sample before.
    #[cold]
    pub(crate) fn sampled(&self, took: Duration, count: impl FnOnce() -> u64) {
        let mut sampled = self.0.lock();
        let before = sampled.open(count()).saturating_sub(1);
        let last = sampled.last.replace(took).unwrap_or(took);
        Sampled::add(&mut sampled.settled, last, before);
        sampled.events += before;
    }

    /// The durations of all events that `total` counts.
    pub(crate) fn read(&self, total: impl FnOnce() -> u64) -> Durations {
        let sampled = self.0.lock();
        let mut durations = sampled.settled.clone();
        Sampled::add(&mut durations, sampled.last.unwrap_or_default(), sampled.open(total()));
        durations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sample_stands_for_all_events_until_the_next() {
        let durations = SampledDurations::default();
        let (short, long) = (Duration::from_micros(1), Duration::from_secs(1));
        durations.sampled(short, || 1);
        assert_eq!(durations.read(|| 10).counts[0], 10);
        durations.sampled(long, || 64);
        let read = durations.read(|| 66);
        assert_eq!((read.counts[0], read.counts[duration_class(long)]), (63, 3));
        assert_eq!(read.sum, short * 63 + long * 3);
    }

    #[test]
    fn measured_event_has_its_own_duration() {
        let durations = SampledDurations::default();
        let long = Duration::from_secs(1);
        durations.sampled(Duration::ZERO, || 1);
        durations.measured(long, || ());
        assert_eq!(durations.read(|| 2).counts.iter().sum::<u64>(), 2);
        assert_eq!(durations.read(|| 2).sum, long);
    }

    #[test]
    fn first_measured_stands_for_events_before_any_sample() {
        let durations = SampledDurations::default();
        let long = Duration::from_secs(1);
        durations.measured(long, || ());
        assert_eq!(durations.read(|| 2).sum, long * 2);
        durations.sampled(Duration::ZERO, || 3);
        assert_eq!(durations.read(|| 4).sum, long * 2, "no duration falls");
    }

    #[test]
    fn measured_event_is_counted_under_the_lock() {
        let durations = SampledDurations::default();
        durations.measured(Duration::ZERO, || assert!(durations.0.is_locked()));
        durations.without_duration(|| assert!(durations.0.is_locked()));
        durations.sampled(Duration::ZERO, || {
            assert!(durations.0.is_locked());
            1
        });
    }
}
