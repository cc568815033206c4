//! A notice about a watched actor, and the id of its watch.

/// A watch of this incarnation of the actor. Of an actor with a durable mailbox, the id stays the watch's over all incarnations and runs of
/// the host, and no later watch gets it: it may be kept in the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct WatchId(pub(crate) u64);

/// A notice about a watched actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The watch.
    pub watch: WatchId,
    /// The watched actor's address in full.
    pub address: String,
    /// Its latest incarnation; 0 when there was none.
    pub incarnation: u64,
    /// The change of its state.
    pub change: Change,
}

/// A change of a watched actor's state; an actor with several instances causes one for each instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The actor started: for the first time, after a failure, or after a stop.
    Started,
    /// The actor failed.
    Crashed {
        /// The kind in one word, as in [`ChildFailed::kind`](crate::ChildFailed::kind); `host-died` when the actor was in memory, and the
        /// host of its watcher, which is durable, died.
        kind: String,
        /// The reason in a sentence for operators.
        reason: String,
    },
    /// The actor was stopped, and may start again.
    Stopped {
        /// Whether an operator stopped it, and only an operator starts it again.
        by_operator: bool,
    },
    /// The actor ended, and starts again only with its parent.
    Ended,
    /// The actor does not exist any more, or never existed. This watch causes no more notices.
    Gone,
}
