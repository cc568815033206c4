//! The words between the tree and the task: what happened, what is to be done, what people see.

use std::time::Duration;

use crate::plan::{Backoff, RestartKind, SupervisionSpec};

/// The index of a node; `ROOT` is the kernel.
pub type Node = usize;

/// The kernel's own node.
pub const ROOT: Node = 0;

/// What the tree knows of an actor from the start.
#[derive(Debug, Clone, Copy)]
pub struct NodeSpec {
    /// When it is started again.
    pub kind: RestartKind,
    /// The pause before.
    pub backoff: Backoff,
    /// How it looks after its own children.
    pub supervision: SupervisionSpec,
    /// False: a person must start it.
    pub auto_start: bool,
}

/// How an incarnation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It never came up.
    FailedStart,
    /// By itself, badly.
    Crashed,
    /// By itself, in peace: it asked to exit with status 0.
    Exited,
    /// Because it was told to.
    Stopped,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The kernel starts.
    Boot,
    /// An incarnation is up.
    Started(Node, u64),
    /// An incarnation ended.
    Ended(Node, u64, Ended),
    /// A person stops an actor.
    Halt(Node),
    /// A person starts an actor.
    Resume(Node),
    /// Everything stops in order.
    Shutdown,
    /// Everything ends now.
    Kill,
    /// A time that [`Tree::next_timer`](super::tree::Tree::next_timer) named has come.
    Timer,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Start an incarnation with this number.
    Start(Node, u64),
    /// Tell an incarnation to stop in order; with `drain`, after its mailbox is empty.
    Stop {
        /// Whose.
        node: Node,
        /// Whether it handles what waits first.
        drain: bool,
    },
    /// End an incarnation now.
    Kill {
        /// Whose.
        node: Node,
        /// Because it did not stop in time.
        late: bool,
    },
    /// It will not run again: its mailbox closes.
    Retire(Node),
    /// This child will be started after this pause.
    RestartIn(Node, Duration),
    /// This supervisor had more restarts than its intensity allows.
    GaveUp(Node),
    /// Everything that comes up at boot is up.
    Booted,
    /// Nothing runs any more. `true`: because the kernel gave up.
    Over(bool),
}

/// What people see of an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not started yet, or its parent is down.
    Down,
    /// Coming up.
    Starting,
    /// Up.
    Running,
    /// Going down.
    Stopping,
    /// Waits out the pause before a restart.
    BackingOff,
    /// A person stopped it, or it waits for a person's first start.
    Stopped,
    /// It ended and is not started again.
    Ended,
}
