//! A sender in the queue for space.

use std::task::{Context, Waker};

use tokio::time::Instant;

use crate::words::message::ActorId;

/// One sender in the queue.
pub(in crate::mailbox) struct Blocked {
    pub(in crate::mailbox) ticket: u64,
    /// The sender, for operators.
    pub(in crate::mailbox) sender: ActorId,
    /// When it came, or when it last got some space.
    pub(in crate::mailbox) since: Instant,
    pub(in crate::mailbox) waker: Option<Waker>,
    /// The last take that made little space, while this sender was the first one.
    pub(super) last_take: Option<Instant>,
    /// The first take since the sender waits that made space and did not wake it.
    pub(super) held_since: Option<Instant>,
}

impl Blocked {
    pub(in crate::mailbox) fn new(ticket: u64, sender: ActorId, since: Instant) -> Self {
        Self { ticket, sender, since, waker: None, last_take: None, held_since: None }
    }

    /// Remembers the waker of this context: the sender waits.
    pub(in crate::mailbox) fn wait(&mut self, cx: &Context<'_>) {
        if self.waker.replace(cx.waker().clone()).is_none() {
            self.held_since = None;
        }
    }
}
