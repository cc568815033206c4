//! A parent is asked about a child that failed: what it is told, and the question on its way to the parent's incarnation.
//! Who is asked, and what the answer does, is decided in `supervision`.

use std::sync::Arc;

use tokio::time::Instant;

use crate::actor::{Pending, World};
use crate::crash::CrashReport;
use crate::supervision::events::{Directive, Node, Window};
use crate::supervision::task::Command;

/// A child failed by itself, and everything below it is down.
#[derive(Debug, Clone)]
pub struct ChildFailed {
    /// Who, why, and who is to blame.
    pub report: Arc<CrashReport>,
    /// The child's plugin.
    pub plugin: String,
    /// Its parent's restarts so far, one because of this failure not included.
    pub window: Window,
}

/// What a lane's incarnation is asked between two of its calls. Ends with it.
pub(crate) struct Question {
    pub(crate) failure: ChildFailed,
    pub(crate) child: Node,
    /// As the tree counts the child's.
    pub(crate) incarnation: u64,
    /// From then on, on [`crate::Clock::running_time`], the tree has decided without an answer.
    pub(crate) until: Instant,
    /// The play is not idle: what the answer brings about is still to come.
    pub(crate) pending: Pending,
}

impl Question {
    /// Whether an answer still counts.
    pub(crate) fn is_open(&self, world: &World) -> bool {
        world.clock.running_time() < self.until
    }

    /// The parent's word to the supervision.
    pub(crate) fn answer(&self, world: &World, directive: Directive) {
        let (child, incarnation) = (self.child, self.incarnation);
        let _ = world.commands.send(Command::Directive { child, incarnation, directive });
    }
}
