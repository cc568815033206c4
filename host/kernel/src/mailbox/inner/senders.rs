//! When the first of the senders that wait for space is woken. Each wake of a sender costs more than a message, so that a quick receiver
//! makes space for several messages first.

use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use crate::mailbox::inner::Inner;
use crate::mailbox::spec::MailboxSpec;

/// A sender is woken by the next take after this time, whether its receiver's turns are short or not.
const MOST_HELD: Duration = Duration::from_micros(100);

/// A wake costs little beside so many bytes, and a sender that follows at once writes into memory that its receiver just read.
const MUCH_BYTES: usize = 64 << 10;

/// The effect of a take on the first sender that waits.
pub(in crate::mailbox) enum AfterTake {
    /// There is no sender, or no space for it.
    Nothing,
    Wakes(Waker),
    /// A later take wakes the sender, or the end of the receiver's poll.
    Holds,
}

impl Inner {
    /// The first blocked sender, when there may be space for it now.
    pub(in crate::mailbox) fn next_sender(&mut self, spec: &MailboxSpec) -> Option<Waker> {
        if self.closed || self.lets_in(spec, 0) { self.blocked.front_mut()?.waker.take() } else { None }
    }

    /// The first blocked sender after a take. A receiver that takes again and again within [`MOST_HELD`] holds the sender back until a
    /// quarter of the mailbox is free, until it has no more messages, or for [`MOST_HELD`].
    #[inline]
    pub(in crate::mailbox) fn sender_after_take(&mut self, spec: &MailboxSpec) -> AfterTake {
        if self.blocked.is_empty() { AfterTake::Nothing } else { self.blocked_after_take(spec) }
    }

    fn blocked_after_take(&mut self, spec: &MailboxSpec) -> AfterTake {
        if self.blocked[0].waker.is_none() || !self.closed && !self.lets_in(spec, 0) {
            return AfterTake::Nothing;
        }
        if self.log.len() > 0 && !self.has_much_space(spec) {
            let (now, first) = (Instant::now(), &mut self.blocked[0]);
            let is_recent = |since: Instant| now.duration_since(since) < MOST_HELD;
            let is_quick = first.last_take.replace(now).is_some_and(is_recent);
            if is_quick && is_recent(*first.held_since.get_or_insert(now)) {
                return AfterTake::Holds;
            }
        }
        self.next_sender(spec).map_or(AfterTake::Nothing, AfterTake::Wakes)
    }

    /// Whether a quarter of the mailbox is free. Of its bytes, [`MUCH_BYTES`] are enough.
    fn has_much_space(&self, spec: &MailboxSpec) -> bool {
        let bytes = (spec.capacity_bytes / 4).min(MUCH_BYTES);
        self.space.lets_in(self.queued() + spec.capacity.div_ceil(4), self.bytes() + bytes)
    }
}
