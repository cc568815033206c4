//! Messages that a run left unhandled: the dead letters that make it end with exit code 1.

use std::fmt;

use playhouse_runtime::{DeadLetterCounts, Fates, RunningPlay};

use playhouse_runtime::printable::counted;

/// The reason of messages that a configured `drop-newest` or `drop-oldest` dropped: no failure of the run.
const BY_RULE: &str = "overflow";
/// The reason of messages whose actor stopped before it handled them.
const STOPPED: &str = "stopped";

/// The number of messages that were not handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    /// Dead letters that no drop rule made, and that no operator replayed or removed.
    pub(super) messages: u64,
    /// The part of `messages` whose actor stopped first.
    stopped: u64,
}

impl Left {
    /// The messages that are left so far.
    pub(super) fn of(play: &RunningPlay) -> Self {
        Self::in_counts(&play.dead_letter_counts())
    }

    fn in_counts(counts: &DeadLetterCounts) -> Self {
        let count = |wanted: &dyn Fn(&str) -> bool| -> u64 {
            let fates = counts.by_reason.iter().filter(|(kind, _)| wanted(kind)).map(|(_, fates)| fates);
            // Letters of earlier runs are not left by this one: those that an operator settled were the old ones.
            let settled = |fates: &Fates| (fates.replayed + fates.dropped).saturating_sub(fates.restored);
            fates.map(|fates| fates.all.saturating_sub(settled(fates))).sum()
        };
        Self { messages: count(&|kind| kind != BY_RULE), stopped: count(&|kind| kind == STOPPED) }
    }

    /// The messages that a shutdown left: their actor stopped before it handled them, and they are not in `before`.
    pub(super) fn since(self, before: Self) -> Self {
        let stopped = self.stopped.saturating_sub(before.stopped);
        Self { messages: stopped, stopped }
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} not handled", counted(self.messages, "message"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use playhouse_runtime::DeadReason;

    #[test]
    fn letters_of_drop_rules_and_settled_ones_are_not_left() {
        assert!([BY_RULE, STOPPED].iter().all(|kind| DeadReason::KINDS.contains(kind)));
        let all = |all| Fates { all, ..Fates::default() };
        let crashed = Fates { all: 5, replayed: 2, dropped: 1, forgotten: 1, restored: 0 };
        let old = Fates { restored: 3, dropped: 2, ..Fates::default() };
        let by_reason = [("overflow", all(7)), ("crashed", crashed), ("stopped", all(4)), ("failed", old)].into();
        let left = Left::in_counts(&DeadLetterCounts { by_reason });
        assert_eq!(left, Left { messages: 6, stopped: 4 });
        assert_eq!(left.since(Left { messages: 5, stopped: 3 }).messages, 1);
        assert_eq!(left.to_string(), "6 messages not handled");
    }
}
