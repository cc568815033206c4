//! The runs of one entry: at most one message that has not ended, and at most one that waits for it. Counts, and log lines that are
//! few although a schedule may have a time each second.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

/// Least time between two log lines of one kind and one entry.
const PAUSE: Duration = Duration::from_secs(10);

/// The counts of one entry, since the host started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    /// Messages that were delivered.
    pub(super) runs: u64,
    /// Of these, those that became dead letters.
    pub(super) failed: u64,
    /// Times without a run, since the last run had not ended.
    pub(super) skipped: u64,
    /// Times that were noticed too late.
    pub(super) missed: u64,
    /// Messages that the receiver refused.
    pub(super) refused: u64,
}

/// The counts above 0.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, failed, skipped, missed, refused } = *self;
        let runs = (runs, if runs == 1 { "run" } else { "runs" });
        let others = [(failed, "failed"), (skipped, "skipped"), (missed, "missed"), (refused, "refused")];
        let mut before = "";
        for (count, name) in [runs].into_iter().chain(others).filter(|(count, _)| *count > 0) {
            write!(f, "{before}{count} {name}")?;
            before = ", ";
        }
        Ok(())
    }
}

/// Lets a log line through at most every 10 s, and counts the others.
#[derive(Debug, Default)]
pub(super) struct Sparse {
    next: Option<Instant>,
    left_out: u64,
}

impl Sparse {
    /// Whether a line may be logged now: the number of lines that were left out before it.
    pub(super) fn pass(&mut self, now: Instant) -> Option<u64> {
        if self.next.is_some_and(|next| now < next) {
            self.left_out += 1;
            return None;
        }
        self.next = Some(now + PAUSE);
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_show_what_is_not_zero() {
        assert_eq!(Counts::default().to_string(), "");
        assert_eq!(Counts { runs: 1, missed: 2, ..Counts::default() }.to_string(), "1 run, 2 missed");
        let all = Counts { runs: 2, failed: 1, skipped: 3, missed: 4, refused: 5 };
        assert_eq!(all.to_string(), "2 runs, 1 failed, 3 skipped, 4 missed, 5 refused");
    }

    #[test]
    fn sparse_lines_count_those_between() {
        let (mut sparse, start) = (Sparse::default(), Instant::now());
        let passed: Vec<_> = (0..25).filter_map(|n| sparse.pass(start + Duration::from_secs(n))).collect();
        assert_eq!(passed, [0, 9, 9]);
    }
}
