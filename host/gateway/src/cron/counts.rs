//! The counts of one entry.

use std::fmt;

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
}
