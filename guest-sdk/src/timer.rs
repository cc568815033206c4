//! The id of a timer, and the unit in which waits cross to the host.

use std::time::Duration;

/// A timer of this incarnation of the actor. Of an actor with a durable mailbox, the id stays the timer's over all incarnations and
/// runs of the host, and no later timer gets it: it may be kept in the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimerId(pub(crate) u64);

/// Whole milliseconds, rounded up, so that a wait is never too short.
pub(crate) fn whole_millis(time: Duration) -> u64 {
    time.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(u64::MAX)
}
