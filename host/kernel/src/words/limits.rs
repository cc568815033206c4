//! Limits of actors as data: those that the kernel keeps, those of a subtree and their use, and the bounds of a sandbox.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use crate::words::address::MAX_SEGMENTS;

/// The bounds that an actor passes to the actors that it spawns. The kernel hands them on, and does not know their contents: a
/// sandbox defines and keeps them. None is no bound.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// The limits of one incarnation on resources that the kernel does not measure, such as memory and CPU time.
    pub limits: Option<Arc<dyn Any + Send + Sync>>,
    /// Access to the world outside.
    pub grants: Option<Arc<dyn Any + Send + Sync>>,
    /// The accounts that an actor shares with all its descendants.
    pub accounts: Option<Arc<dyn Any + Send + Sync>>,
}

impl Bounds {
    /// No bounds at all.
    pub const NONE: Self = Self { limits: None, grants: None, accounts: None };
}

/// The use of one limit on a subtree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// The limit's key below `limits.subtree`.
    pub key: &'static str,
    /// The amount in use.
    pub used: u64,
    /// The limit.
    pub most: u64,
}

/// Limits that an actor shares with all actors below it; none for no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SubtreeSpec {
    /// Most actors at a time.
    pub actors: Option<usize>,
    /// Most live incarnations and running mailbox policies at a time.
    pub instances: Option<usize>,
}

/// The limits of one actor that the kernel keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActorLimits {
    /// Time in which one message, or one hook, runs or waits for a result of the host.
    pub timeout: Duration,
    /// The same for a whole start: launch, `init` and `prepare-children`, each of which has `timeout` as well.
    pub start_timeout: Duration,
    /// Largest body that it accepts, and largest reply that it may give.
    pub message_bytes: usize,
    /// Most children that it may have at a time.
    pub max_children: usize,
    /// Most timers that it may have at a time.
    pub max_timers: usize,
    /// Most watches that it may have at a time.
    pub max_watches: usize,
    /// Most levels of spawned actors below it.
    pub max_depth: usize,
    /// Most sends, spawns, stops, timers, watches, and their ends, in one turn.
    pub max_effects: usize,
    /// Most bytes of messages in one turn, and in its timers at a time.
    pub max_effect_bytes: usize,
    /// Limits that it shares with all actors below it.
    pub subtree: Option<Box<SubtreeSpec>>,
}

impl Default for ActorLimits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            start_timeout: Duration::from_secs(10),
            message_bytes: 1 << 20,
            max_children: 1024,
            max_timers: 1024,
            max_watches: 1024,
            max_depth: MAX_SEGMENTS,
            max_effects: 65_536,
            max_effect_bytes: 16 << 20,
            subtree: None,
        }
    }
}

impl ActorLimits {
    /// Narrows the limits of a child to those of its parent: none is wider. Those of the child's own subtree stay, since it is
    /// counted in its parent's as well.
    pub fn within(self, parent: &Self) -> Self {
        Self {
            timeout: self.timeout.min(parent.timeout),
            message_bytes: self.message_bytes.min(parent.message_bytes),
            max_children: self.max_children.min(parent.max_children),
            max_timers: self.max_timers.min(parent.max_timers),
            max_watches: self.max_watches.min(parent.max_watches),
            max_effects: self.max_effects.min(parent.max_effects),
            max_effect_bytes: self.max_effect_bytes.min(parent.max_effect_bytes),
            start_timeout: self.start_timeout.min(parent.start_timeout),
            max_depth: self.max_depth.min(parent.max_depth.saturating_sub(1)),
            subtree: self.subtree,
        }
    }
}
