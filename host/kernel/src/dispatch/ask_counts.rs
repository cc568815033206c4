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
    refused: AtomicU64,
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
        let asks = match error {
            None => self.results[0].fetch_add(1, Relaxed) + 1,
            Some(AskError::Timeout) => return self.timed_out(deadline, timeout),
            Some(error) => self.count_error(error),
        };
        if is_sample(asks, SAMPLE) {
            self.durations.sampled(took(deadline, timeout), || self.sent());
        }
    }

    #[cold]
    fn timed_out(&self, deadline: Instant, timeout: Duration) {
        self.durations.measured(took(deadline, timeout), || self.count_error(&AskError::Timeout));
    }

    /// Counts an ask that was not sent, which has no duration. Returns the error.
    #[cold]
    pub(crate) fn refused(&self, error: AskError) -> AskError {
        self.durations.apart(|| {
            self.refused.fetch_add(1, Relaxed);
            self.count_error(&error);
        });
        error
    }

    /// Counts an error. Returns the number of asks with this result.
    #[cold]
    fn count_error(&self, error: &AskError) -> u64 {
        let kind = error.kind();
        let place = ASK_RESULTS.iter().position(|result| *result == kind);
        place.map_or(1, |place| self.results[place].fetch_add(1, Relaxed) + 1)
    }

    /// Number of asks that were sent. Called under the lock of the durations.
    fn sent(&self) -> u64 {
        let all: u64 = self.results.iter().map(|count| count.load(Relaxed)).sum();
        all.saturating_sub(self.refused.load(Relaxed))
    }

    pub(crate) fn read(&self) -> AskMetrics {
        AskMetrics {
            results: self.results.each_ref().map(|count| count.load(Relaxed)),
            durations: self.durations.read(|| self.sent()),
        }
    }
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
}
