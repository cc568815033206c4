//! Directive requests: a parent is asked about a child that failed. The data of a request, and the request on its way to the
//! parent's incarnation. The module `supervision` decides which parent is asked, and what the answer does.

use std::sync::Arc;

use tokio::time::Instant;

use crate::actor::activity::ActivityGuard;
use crate::supervision::events::Node;
use crate::words::clock::Clock;
use crate::words::crash::CrashReport;
use crate::words::failure::Window;

/// A child failed by itself, and everything below it has stopped.
#[derive(Debug, Clone)]
pub struct ChildFailed {
    /// The crash: the actor, the reason, and the blame.
    pub report: Arc<CrashReport>,
    /// The child's plugin.
    pub plugin: String,
    /// The restarts of its parent so far, without one because of this failure.
    pub window: Window,
}

/// A request to an instance's incarnation, made between two of its calls. It ends with that incarnation.
pub(crate) struct DirectiveRequest {
    pub(crate) failure: ChildFailed,
    pub(crate) child: Node,
    /// The child's incarnation, as the tree counts it.
    pub(crate) incarnation: u64,
    /// The deadline, on [`Clock::running_time`]. After it the tree has decided without an answer.
    pub(crate) until: Instant,
    /// Keeps the play from being idle until the answer took effect.
    pub(crate) pending: ActivityGuard,
}

impl DirectiveRequest {
    /// Whether an answer still counts.
    pub(crate) fn is_open(&self, clock: &Clock) -> bool {
        clock.running_time() < self.until
    }
}
