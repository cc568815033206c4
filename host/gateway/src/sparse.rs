//! Log lines that are few although their cause may come each second.

use std::time::Duration;

use tokio::time::Instant;

/// Least time between two log lines of one kind.
const PAUSE: Duration = Duration::from_secs(10);

/// Lets a log line through at most every 10 s, and counts the others.
#[derive(Debug, Default)]
pub(crate) struct Sparse {
    next: Option<Instant>,
    left_out: u64,
}

impl Sparse {
    /// Whether a line may be logged now: the number of lines that were left out before it.
    pub(crate) fn pass(&mut self, now: Instant) -> Option<u64> {
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
    fn sparse_lines_count_those_between() {
        let (mut sparse, start) = (Sparse::default(), Instant::now());
        let passed: Vec<_> = (0..25).filter_map(|n| sparse.pass(start + Duration::from_secs(n))).collect();
        assert_eq!(passed, [0, 9, 9]);
    }
}
