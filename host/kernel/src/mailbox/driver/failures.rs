//! When a mailbox's policy is given up: it failed too often within a time, or more often than it handled messages.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::mailbox::policy::PolicySpec;

/// The latest failures of a policy, over all its runs.
pub(super) struct Failures {
    /// The latest failures, oldest first, up to one more than the limit.
    latest: VecDeque<Failure>,
    /// Total time of calls that did not return in time. The policy wasted it, so it does not count as time without a failure.
    hung: Duration,
    /// Number of messages that the policy gave out or dropped.
    handled: u64,
    /// Failures in a row without a quiet time between them: the backoff grows with them.
    in_a_row: u32,
    began: Instant,
}

struct Failure {
    /// The time since the beginning, without the time of calls that hung.
    at: Duration,
    /// Number of messages handled before.
    handled: u64,
}

impl Failures {
    pub(super) fn new() -> Self {
        Self { latest: VecDeque::new(), hung: Duration::ZERO, handled: 0, in_a_row: 0, began: Instant::now() }
    }

    /// Counts messages that the policy gave out or dropped.
    pub(super) fn handled(&mut self, messages: usize) {
        self.handled += messages as u64;
    }

    /// Records a failed run; `hung` is its time in a call that did not return. Returns whether the policy is given up: it had
    /// more than `intensity` failures, and they came within `period`, or fewer messages than that were handled between them.
    pub(super) fn note(&mut self, hung: Duration, spec: &PolicySpec) -> bool {
        self.hung += hung;
        let at = self.began.elapsed().saturating_sub(self.hung);
        let quiet = self.latest.back().map_or(at, |last| at.saturating_sub(last.at));
        self.in_a_row = if quiet >= spec.backoff.max.saturating_mul(2) { 1 } else { self.in_a_row + 1 };
        let intensity = spec.intensity as usize;
        self.latest.push_back(Failure { at, handled: self.handled });
        if self.latest.len() > intensity + 1 {
            self.latest.pop_front();
        }
        let Some(first) = self.latest.front().filter(|_| self.latest.len() > intensity) else { return false };
        at.saturating_sub(first.at) < spec.period || self.handled - first.handled < intensity as u64
    }

    pub(super) fn in_a_row(&self) -> u32 {
        self.in_a_row
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use futures_util::future::BoxFuture;

    use crate::mailbox::policy::{About, MailboxPolicy, PolicyLauncher};
    use crate::words::crash::Crash;

    struct Nothing;

    impl PolicyLauncher for Nothing {
        fn launch(&self, _: About) -> BoxFuture<'_, Result<Box<dyn MailboxPolicy>, Crash>> {
            unreachable!("the test does not launch it")
        }

        fn plugin(&self) -> &'static str {
            "nothing"
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    /// The number of the failure at which the policy is given up. Failures come `pause` apart, plus `hung` in the call;
    /// `handled` messages come before each.
    async fn given_up_at(pause: Duration, hung: Duration, handled: usize) -> Option<u32> {
        let spec = PolicySpec { intensity: 3, ..PolicySpec::new(Arc::new(Nothing)) };
        let mut failures = Failures::new();
        for failure in 1..=100 {
            failures.handled(handled);
            tokio::time::advance(pause + hung).await;
            if failures.note(hung, &spec) {
                return Some(failure);
            }
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn failures_count_within_the_period_or_without_messages() {
        assert_eq!(given_up_at(SECOND, Duration::ZERO, 5).await, Some(4), "within the period");
        assert_eq!(given_up_at(20 * SECOND, Duration::ZERO, 0).await, Some(4), "nothing was handled");
        assert_eq!(given_up_at(20 * SECOND, Duration::ZERO, 1).await, None, "one message for each failure");
        assert_eq!(given_up_at(SECOND, 20 * SECOND, 1).await, Some(4), "it hung, which is no quiet time");
    }

    #[tokio::test(start_paused = true)]
    async fn backoff_begins_again_after_a_quiet_spell() {
        let spec = PolicySpec::new(Arc::new(Nothing));
        let mut failures = Failures::new();
        for (pause, hung, in_a_row) in [(0, 0, 1), (1, 0, 2), (0, 30, 3), (30, 0, 1), (1, 0, 2)] {
            failures.handled(1);
            tokio::time::advance(SECOND * (pause + hung)).await;
            failures.note(SECOND * hung, &spec);
            assert_eq!(failures.in_a_row(), in_a_row, "{pause} {hung}");
        }
    }
}
