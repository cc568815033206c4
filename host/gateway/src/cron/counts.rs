//! The counts of one entry.

use std::fmt;

use crate::traffic::Count;

/// The counts of one entry since the host started, over all incarnations of its actor.
#[derive(Debug, Default)]
pub struct CronCounts {
    /// Messages that were delivered, and have ended.
    pub runs: Count,
    /// Of these, those that became dead letters.
    pub failed: Count,
    /// Times without a run, since the last run had not ended.
    pub skipped: Count,
    /// Times that were noticed too late.
    pub missed: Count,
    /// Messages that the receiver refused.
    pub refused: Count,
}

/// The counts above 0.
impl fmt::Display for CronCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = (&self.runs, if self.runs.get() == 1 { "run" } else { "runs" });
        let others = [
            (&self.failed, "failed"),
            (&self.skipped, "skipped"),
            (&self.missed, "missed"),
            (&self.refused, "refused"),
        ];
        let counts = [runs].into_iter().chain(others).map(|(count, name)| (count.get(), name));
        let mut before = "";
        for (count, name) in counts.filter(|(count, _)| *count > 0) {
            write!(f, "{before}{count} {name}")?;
            before = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_show_what_is_not_zero() {
        let counts = CronCounts::default();
        assert_eq!(counts.to_string(), "");
        counts.runs.set(1);
        counts.missed.set(2);
        assert_eq!(counts.to_string(), "1 run, 2 missed");
        for (n, count) in [&counts.runs, &counts.failed, &counts.skipped, &counts.missed].into_iter().enumerate() {
            count.set(n as u64 + 2);
        }
        counts.refused.set(6);
        assert_eq!(counts.to_string(), "2 runs, 3 failed, 4 skipped, 5 missed, 6 refused");
    }
}
