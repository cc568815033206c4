//! The next time at which a value of a keyed state ends, for the task that removes such values.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// When to look for values whose times are over.
pub(crate) struct ValueEnds {
    /// None: the store has no value that ends, and none is on its way.
    next: Mutex<Option<SystemTime>>,
    /// Tells that `next` is earlier now.
    pub(crate) changed: Notify,
    /// Odd from before an entry that removes values until it is durable.
    removals: AtomicU64,
}

impl Default for ValueEnds {
    /// Lets the first look come at once: earlier runs left values.
    fn default() -> Self {
        Self { next: Mutex::new(Some(SystemTime::UNIX_EPOCH)), changed: Notify::new(), removals: AtomicU64::new(0) }
    }
}

impl ValueEnds {
    /// Notes that a value ends at this time.
    pub(crate) fn note(&self, ends: SystemTime) {
        let mut next = self.next.lock();
        if next.is_none_or(|next| ends < next) {
            *next = Some(ends);
            self.changed.notify_one();
        }
    }

    pub(crate) fn next(&self) -> Option<SystemTime> {
        *self.next.lock()
    }

    /// Begins a look at the store. The values that are noted after this may be missing there.
    pub(crate) fn begin_look(&self) {
        *self.next.lock() = None;
    }

    /// Begins, or ends, the removal of values.
    pub(crate) fn step(&self) {
        self.removals.fetch_add(1, Ordering::SeqCst);
    }

    /// The moment at which the size of a state is read from the store, for [`ValueEnds::is_removal_since`].
    pub(crate) fn removals(&self) -> u64 {
        self.removals.load(Ordering::SeqCst)
    }

    /// Whether a size that was read since that moment may have values that are removed, or will be by an entry that has entered.
    pub(crate) fn is_removal_since(&self, moment: u64) -> bool {
        !moment.is_multiple_of(2) || self.removals() != moment
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn earliest_time_is_the_next() {
        let (ends, at) = (ValueEnds::default(), |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(ends.next(), Some(at(0)), "the first look comes at once");
        ends.begin_look();
        assert_eq!(ends.next(), None);
        for seconds in [7, 9, 5, 6] {
            ends.note(at(seconds));
        }
        assert_eq!(ends.next(), Some(at(5)));
    }

    #[test]
    fn size_that_was_read_beside_a_removal_is_doubtful() {
        let ends = ValueEnds::default();
        let before = ends.removals();
        assert!(!ends.is_removal_since(before));
        ends.step();
        let within = ends.removals();
        assert!(ends.is_removal_since(before) && ends.is_removal_since(within));
        ends.step();
        assert!(ends.is_removal_since(before) && ends.is_removal_since(within));
        assert!(!ends.is_removal_since(ends.removals()));
    }
}
