//! Counts of asks by their result, and a sample of their durations.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use crate::words::send_error::{ASK_RESULTS, AskError};
use crate::words::totals::{DURATION_BOUNDS, Durations, duration_class, sample_weight};

/// Of the asks with one result, one in this number is measured, a power of two. Each timeout is measured.
const SAMPLE: u64 = 64;

/// Counts of all asks of one kernel.
#[derive(Default)]
pub(crate) struct AskCounts {
    results: [AtomicU64; ASK_RESULTS.len()],
    durations: [AtomicU64; DURATION_BOUNDS.len() + 1],
    ns: AtomicU64,
}

/// Counts of asks, as operators see them. An ask that was not sent has a result and no duration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AskMetrics {
    /// Asks, by the index of their result in [`ASK_RESULTS`].
    pub results: [u64; ASK_RESULTS.len()],
    /// The durations of asks. A sample is measured, and each measured one counts for all with its result since the one before.
    pub durations: Durations,
}

impl AskCounts {
    /// Counts an ask that was sent, `timeout` before its deadline, by the error that it got instead of a reply.
    #[inline]
    pub(crate) fn count(&self, error: Option<&AskError>, deadline: Instant, timeout: Duration) {
        let asks = match error {
            None => self.results[0].fetch_add(1, Relaxed) + 1,
            Some(error) => self.count_error(error),
        };
        let weight = match error {
            Some(AskError::Timeout) => 1,
            _ => sample_weight(asks, SAMPLE),
        };
        if weight > 0 {
            self.measured(deadline, timeout, weight);
        }
    }

    #[cold]
    fn measured(&self, deadline: Instant, timeout: Duration, weight: u64) {
        let left = deadline.saturating_duration_since(Instant::now());
        let took = timeout.saturating_sub(left);
        self.durations[duration_class(took)].fetch_add(weight, Relaxed);
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).saturating_mul(weight);
        self.ns.fetch_add(ns, Relaxed);
    }

    /// Counts an ask that was not sent, which has no duration. Returns the error.
    #[cold]
    pub(crate) fn refused(&self, error: AskError) -> AskError {
        self.count_error(&error);
        error
    }

    /// Counts an error. Returns the number of asks with this result.
    #[cold]
    fn count_error(&self, error: &AskError) -> u64 {
        let kind = error.kind();
        let place = ASK_RESULTS.iter().position(|result| *result == kind);
        place.map_or(1, |place| self.results[place].fetch_add(1, Relaxed) + 1)
    }

    pub(crate) fn read(&self) -> AskMetrics {
        let load = |count: &AtomicU64| count.load(Relaxed);
        AskMetrics {
            results: std::array::from_fn(|place| load(&self.results[place])),
            durations: Durations {
                counts: std::array::from_fn(|class| load(&self.durations[class])),
                sum: Duration::from_nanos(load(&self.ns)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn asks_are_counted_by_result_and_duration() {
        let (counts, timeout) = (AskCounts::default(), Duration::from_secs(8));
        let deadline = Instant::now() + timeout;
        tokio::time::advance(Duration::from_secs(2)).await;
        for _ in 0..2 * SAMPLE {
            counts.count(None, deadline, timeout);
        }
        counts.count(Some(&AskError::Timeout), deadline, timeout);
        let read = counts.read();
        let timeouts = ASK_RESULTS.iter().position(|result| *result == "timeout").expect("a result");
        assert_eq!((read.results[0], read.results[timeouts]), (2 * SAMPLE, 1));
        assert_eq!(read.durations.counts[duration_class(Duration::from_secs(2))], 2 * SAMPLE + 1);
        assert_eq!(read.durations.sum, Duration::from_secs(2) * (2 * SAMPLE as u32 + 1));
    }
}
