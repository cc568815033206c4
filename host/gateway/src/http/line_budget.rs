//! A bound on log lines: a client or a guest can cause any number of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Lets some log lines of a kind pass in each second, and counts the others.
pub(super) struct LineBudget {
    per_second: u64,
    start: Instant,
    /// The current second from the start, and the lines in it.
    second: AtomicU64,
    left_out: AtomicU64,
}

const LINES_BITS: u32 = 32;

impl LineBudget {
    /// At most this many lines in each second, less than 2^32.
    pub(super) fn new(per_second: u32) -> Self {
        let (second, left_out) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { per_second: per_second.into(), start: Instant::now(), second, left_out }
    }

    /// Whether a line passes: the number of lines that were left out before it.
    pub(super) fn pass(&self) -> Option<u64> {
        self.pass_at(self.start.elapsed().as_secs())
    }

    fn pass_at(&self, now: u64) -> Option<u64> {
        let counted = self.second.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
            let lines = if word >> LINES_BITS == now { word & u64::from(u32::MAX) } else { 0 };
            (lines < self.per_second).then_some(now << LINES_BITS | (lines + 1))
        });
        if counted.is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.left_out.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_budget_are_counted() {
        let budget = LineBudget::new(2);
        assert_eq!([0, 0, 0, 0, 1, 1].map(|now| budget.pass_at(now)), [Some(0), Some(0), None, None, Some(2), Some(0)]);
    }
}
