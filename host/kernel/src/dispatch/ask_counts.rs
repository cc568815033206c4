//! Counts of asks by their result, and a sample of their durations.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use crate::actor::sampled_durations::SampledDurations;
use crate::words::send_error::{ASK_RESULTS, AskError};
use crate::words::totals::{Durations, is_sample};

/// Of the asks with one result, one in this number is measured, a power of two. Each timeout is measured.
const SAMPLE: u64 = 64;

/// Counts of all asks of one kernel.
#[derive(Default)]
pub(crate) struct AskCounts {
    results: [AtomicU64; ASK_RESULTS.len()],
    /// Asks among these that were not sent.
    refused: [AtomicU64; ASK_RESULTS.len()],
    durations: SampledDurations,
}

/// Counts of asks, as operators see them. An ask that was not sent has a result and no duration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AskMetrics {
    /// Asks, by the index of their result in [`ASK_RESULTS`].
    pub results: [u64; ASK_RESULTS.len()],
    /// The durations of asks. A sample is measured, and each measured one stands for all until the next.
    pub durations: Durations,
}

impl AskCounts {
    /// Counts an ask that was sent, `timeout` before its deadline, by the error that it got instead of a reply.
    #[inline]
    pub(crate) fn count(&self, error: Option<&AskError>, deadline: Instant, timeout: Duration) {
        match error {
            None => self.count_result(0, deadline, timeout),
            Some(AskError::Timeout) => {
                let timeouts = &self.results[place_of(&AskError::Timeout)];
                self.durations.measured(took(deadline, timeout), || {
                    timeouts.fetch_add(1, Relaxed);
                });
            }
            Some(error) => self.count_result(place_of(error), deadline, timeout),
        }
    }

    #[inline]
    fn count_result(&self, place: usize, deadline: Instant, timeout: Duration) {
        let (asks, refused) = (self.results[place].load(Relaxed), self.refused[place].load(Relaxed));
        // Asks that end at the same time may have the same number, so that a sample is taken twice or not at all; the first one
        // is always taken.
        if is_sample(asks.saturating_sub(refused) + 1, SAMPLE) {
            self.sampled(place, took(deadline, timeout));
        } else {
            self.results[place].fetch_add(1, Relaxed);
        }
    }

    #[cold]
    fn sampled(&self, place: usize, took: Duration) {
        self.durations.sampled(took, || {
            self.results[place].fetch_add(1, Relaxed);
            self.sent()
        });
    }

    /// Counts an ask that was not sent, which has no duration. Returns the error.
    #[cold]
    pub(crate) fn refused(&self, error: AskError) -> AskError {
        let place = place_of(&error);
        self.durations.without_duration(|| {
            self.refused[place].fetch_add(1, Relaxed);
            self.results[place].fetch_add(1, Relaxed);
        });
        error
    }

    /// Number of asks that were sent. Called under the lock of the durations.
    fn sent(&self) -> u64 {
        let sum = |counts: &[AtomicU64]| counts.iter().map(|count| count.load(Relaxed)).sum::<u64>();
        sum(&self.results).saturating_sub(sum(&self.refused))
    }

    pub(crate) fn read(&self) -> AskMetrics {
        AskMetrics {
            results: self.results.each_ref().map(|count| count.load(Relaxed)),
            durations: self.durations.read(|| self.sent()),
        }
    }
}

/// The index of an error in [`ASK_RESULTS`].
#[cold]
fn place_of(error: &AskError) -> usize {
    let kind = error.kind();
    ASK_RESULTS.iter().position(|result| *result == kind).expect("the list has all kinds of errors")
}

fn took(deadline: Instant, timeout: Duration) -> Duration {
    timeout.saturating_sub(deadline.saturating_duration_since(Instant::now()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::totals::duration_class;

    #[tokio::test(start_paused = true)]
    async fn asks_are_counted_by_result_and_duration() {
        let (counts, timeout) = (AskCounts::default(), Duration::from_secs(8));
        let deadline = Instant::now() + timeout;
        tokio::time::advance(Duration::from_secs(2)).await;
        for _ in 0..2 * SAMPLE - 1 {
            counts.count(None, deadline, timeout);
        }
        counts.count(Some(&AskError::Stopped), deadline, timeout);
        counts.refused(AskError::Stopped);
        counts.count(Some(&AskError::Timeout), deadline, timeout);
        let read = counts.read();
        let timeouts = ASK_RESULTS.iter().position(|result| *result == "timeout").expect("a result");
        assert_eq!((read.results[0], read.results[timeouts]), (2 * SAMPLE - 1, 1));
        assert_eq!(read.durations.counts[duration_class(Duration::from_secs(2))], 2 * SAMPLE + 1);
        assert_eq!(read.durations.sum, Duration::from_secs(2) * (2 * SAMPLE as u32 + 1));
    }

    #[test]
    fn duration_class_never_falls_for_a_reader() {
        let (counts, timeout) = (AskCounts::default(), Duration::from_hours(1));
        let end = |late: bool| Instant::now() + if late { Duration::ZERO } else { timeout };
        let asks = |first: u64| {
            for number in first..first + 30_000 {
                counts.count(None, end((number / SAMPLE).is_multiple_of(2)), timeout);
            }
        };
        std::thread::scope(|scope| {
            let writers = [scope.spawn(move || asks(0)), scope.spawn(move || asks(SAMPLE))];
            let mut before = AskMetrics::default().durations.counts;
            while !writers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
                let now = counts.read().durations.counts;
                assert!(before.iter().zip(&now).all(|(old, new)| old <= new), "{before:?} {now:?}");
                before = now;
            }
        });
    }
}
