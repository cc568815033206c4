//! What the tree remembers of one actor.

use std::collections::VecDeque;
use std::time::Duration;

use crate::supervision::events::{Node, NodeSpec};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Down,
    Starting,
    /// Up itself; its children come up one after another.
    StartingChildren,
    Up,
    /// Its children go down one after another, last first.
    StoppingChildren(After),
    /// All its children are down; it was told to stop.
    Stopping(After),
    BackingOff,
}

/// What follows once a node and all below it are down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// It stays down.
    Stay,
    /// It is started again at once.
    Restart,
    /// It crashed, or gave up on its children: its parent decides.
    Crashed,
    /// It ended in peace: its parent decides.
    Exited,
    /// It did not come up: its parent decides.
    FailedStart,
}

#[allow(clippy::struct_excessive_bools)] // each is a fact of its own, and they combine freely
pub(super) struct Entry {
    pub(super) spec: NodeSpec,
    pub(super) parent: Option<Node>,
    /// In start order.
    pub(super) children: Vec<Node>,
    pub(super) phase: Phase,
    /// Its incarnation exists, from `Start` to `Ended`.
    pub(super) alive: bool,
    pub(super) incarnation: u64,
    /// Only a person lifts this.
    pub(super) halted: bool,
    /// Not to be started again.
    pub(super) ended: bool,
    /// Came up since its parent did.
    pub(super) was_up: bool,
    /// Since when this incarnation and its children are up.
    pub(super) up_since: Option<Duration>,
    /// Failures without a stable spell between them.
    pub(super) in_a_row: u32,
    pub(super) restarts: u64,
    /// When its children restarted, within the last period.
    pub(super) window: VecDeque<Duration>,
    /// The time that the phase waits for; older entries in the queue are void.
    pub(super) timer: Option<Duration>,
}

impl Entry {
    pub(super) fn new(spec: NodeSpec, parent: Option<Node>) -> Self {
        Self {
            spec,
            parent,
            children: Vec::new(),
            phase: Phase::Down,
            alive: false,
            incarnation: 0,
            halted: !spec.auto_start,
            ended: false,
            was_up: false,
            up_since: None,
            in_a_row: 0,
            restarts: 0,
            window: VecDeque::new(),
            timer: None,
        }
    }
}
