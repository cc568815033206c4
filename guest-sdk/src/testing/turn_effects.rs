//! The effects of a turn, and the things that the kernel of the test harness keeps for the actor.

use super::effects::{Child, Sent};

/// An effect of a turn that has not ended.
pub(super) enum Effect {
    Told(Sent),
    Spawned(Child),
    Stopped(String),
    Set(u64, Timer),
    Cancelled(u64),
    /// The last field: whether it belongs to the actor.
    Watched(u64, String, bool),
    Unwatched(u64),
    Counted(String, u64),
    Observed(String, f64),
    /// With the time of the value, in milliseconds.
    Changed(String, Option<(Vec<u8>, Option<u64>)>),
}

/// A value of the state.
#[derive(Clone)]
pub(super) struct Value {
    pub(super) bytes: Vec<u8>,
    /// When its time ends; none for one that stays.
    pub(super) ends_ms: Option<u64>,
}

/// A timer that is set.
pub(super) struct Timer {
    pub(super) message: Sent,
    pub(super) wait_ms: u64,
    pub(super) again: bool,
    /// Whether it belongs to the actor.
    pub(super) is_kept: bool,
}
